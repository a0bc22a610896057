// Where things are: pixels, chunks, blocks and tiles of a cube, days, and degrees.

const DAY = 86400000;

export const textOf = (day) => new Date(day * DAY).toISOString().slice(0, 10);
export const dayOf = (text) => Math.floor(Date.parse(`${text}T00:00Z`) / DAY);

export class Grid {
  constructor(root, degrees) {
    Object.assign(this, root.grid, { first: root.calendar.first_day, degrees });
    this.height = this.blocks_y * this.block;
    this.width = this.blocks_x * this.block;
    const side = this.tile * this.block * this.resolution;
    this.west = Math.round((this.left - this.origin[0]) / side);
    this.north = Math.round((this.top - this.origin[1]) / side);
    this.covered = new Set(this.blocks.map(([y, x]) => `${y},${x}`));
  }

  /** The part of the cube that a tile (row and column of tiles) is. */
  part(row, column) {
    return `tiles/x${this.west + column}_y${this.north - 1 - row}`;
  }

  covers(row, column) {
    return this.covered.has(`${Math.floor(row / this.block)},${Math.floor(column / this.block)}`);
  }

  /** Whether a rectangle of pixels [left, top, right, bottom] meets a block. */
  meets([left, top, right, bottom]) {
    const [firstX, firstY] = [left, top].map((at) => Math.max(0, Math.floor(at / this.block)));
    const lastX = Math.min(this.blocks_x, Math.ceil(right / this.block));
    const lastY = Math.min(this.blocks_y, Math.ceil(bottom / this.block));
    if ((lastX - firstX) * (lastY - firstY) > this.blocks.length)
      return this.blocks.some(([y, x]) => y >= firstY && y < lastY && x >= firstX && x < lastX);
    for (let y = firstY; y < lastY; y++) for (let x = firstX; x < lastX; x++) if (this.covered.has(`${y},${x}`)) return true;
    return false;
  }

  /** The block [row, column] whose middle is nearest to a pixel. */
  nearestBlock(row, column) {
    const half = this.block / 2;
    const far = ([y, x]) => (y * this.block + half - row) ** 2 + (x * this.block + half - column) ** 2;
    return this.blocks.reduce((best, block) => (far(block) < far(best) ? block : best));
  }

  /** [left, top, right, bottom] of all blocks, in pixels. */
  get bounds() {
    const [ys, xs] = [0, 1].map((axis) => this.blocks.map((block) => block[axis]));
    const least = (values) => values.reduce((a, b) => Math.min(a, b)) * this.block;
    const most = (values) => (values.reduce((a, b) => Math.max(a, b)) + 1) * this.block;
    return [least(xs), least(ys), most(xs), most(ys)];
  }

  /** Longitude and latitude of a position in pixels. */
  lonLat(x, y) {
    const { left, top, dx, dy, values } = this.degrees;
    const clamp = (at, count) => Math.min(Math.max(at, 0), count - 1.000001);
    const [u, v] = [clamp((x - left) / dx, values[0].length), clamp((y - top) / dy, values.length)];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [s, t] = [u - i, v - j];
    const [lon, lat] = [0, 1].map((axis) => {
      const at = (row, column) => values[j + row][i + column][axis];
      return (1 - t) * ((1 - s) * at(0, 0) + s * at(0, 1)) + t * ((1 - s) * at(1, 0) + s * at(1, 1));
    });
    return [lon - 360 * Math.round(lon / 360), lat];
  }
}
