// Pointer, wheel, fingers and keys.

const STEP = 80; // screen pixels that an arrow key moves the map

/** Drag to move, wheel or two fingers to zoom, click to `read(x, y)` a pixel of the cube. */
export function followPointer(canvas, map, read) {
  const down = new Map();
  let moved = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    if (down.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (other) {
      const spread = (point) => Math.max(20, Math.hypot(point[0] - other[0], point[1] - other[1]));
      map.zoom(spread(now) / spread(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      moved = Infinity;
    } else if (moved > 4) map.pan(now[0] - before[0], now[1] - before[1]);
    down.set(event.pointerId, now);
  });
  const up = (event) => {
    if (down.delete(event.pointerId) && event.type === "pointerup" && moved <= 4) read(...map.toPixels(...at(event)));
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), at(event));
  }, { passive: false });
}

/** Keys that work anywhere but in a form's element, and those of the map while it has the focus. */
export function followKeys(document, map, app) {
  const anywhere = {
    ",": () => app.timeline.step(-1), ".": () => app.timeline.step(1), "[": () => app.nextLayer(-1), "]": () => app.nextLayer(1),
    "+": () => map.zoom(1.7), "=": () => map.zoom(1.7), "-": () => map.zoom(1 / 1.7), 0: () => app.go(""),
  };
  const onMap = {
    ArrowLeft: () => map.pan(STEP, 0), ArrowRight: () => map.pan(-STEP, 0), ArrowUp: () => map.pan(0, STEP), ArrowDown: () => map.pan(0, -STEP),
    Enter: () => app.read(map.view.x, map.view.y),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const action = (event.target === map.canvas && onMap[event.key]) || anywhere[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** The handle of the swipe, by pointer and arrow keys. */
export function followHandle(handle, map, split) {
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = map.canvas.getBoundingClientRect();
    split((event.clientX - box.left) / box.width);
  });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    split(map.split + step);
  });
}
