"""Threads that run tasks help each other, stop when they are told to, and give the same cube as one."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import QUALITY_FILL, Quality
from mmvsf.pipeline.build.executor import MOST_THREADS, LocalExecutor, SerialExecutor, ThreadExecutor, executor
from mmvsf.pipeline.crew import Crew, StoppedError, each, each_waiting
from mmvsf.pipeline.layers.imagery.preference import best_quality


def test_parts_of_a_task_in_order_on_a_thread_alone() -> None:
    assert each(lambda number: number**2, range(5)) == [0, 1, 4, 9, 16]


def test_idle_threads_take_parts_of_a_task() -> None:
    together = threading.Barrier(3)

    def part(number: int) -> int:
        together.wait(10)  # breaks unless three threads are here at once
        return number

    with Crew(3) as crew:
        assert crew.submit(each, part, range(6)).result(30) == list(range(6))


def test_tasks_on_all_threads_finish_their_own_parts() -> None:
    """No thread waits for one that is as busy."""
    with Crew(2) as crew:
        tasks = [crew.submit(each, lambda number: number, range(50)) for _ in range(8)]
        assert all(task.result(30) == list(range(50)) for task in tasks)


def test_an_error_in_a_part_is_raised_and_ends_the_others() -> None:
    begun: list[int] = []

    def part(number: int) -> None:
        begun.append(number)
        if number == 2:
            raise InputError("part 2")
        time.sleep(0.001)

    with Crew(2) as crew, pytest.raises(InputError, match="part 2"):
        crew.submit(each, part, range(1000)).result(30)
    assert len(begun) < 1000


@pytest.mark.parametrize("run", [SerialExecutor(), ThreadExecutor(2)], ids=["one worker", "two workers"])
def test_a_task_ahead_of_the_workers_runs_beside_them(run: SerialExecutor | ThreadExecutor) -> None:
    together = threading.Barrier(run.workers + 1)

    def task(number: int, _: None) -> int:
        together.wait(10)  # breaks unless one task more than there are workers is here at once
        return number

    count = 2 * (run.workers + 1)
    assert sorted(run.run(task, range(count), None, ahead=1)) == list(range(count))


def test_a_crew_that_is_left_begins_no_part_more() -> None:
    started, released = threading.Event(), threading.Event()
    begun: list[int] = []

    def part(number: int) -> None:
        begun.append(number)
        started.set()
        released.wait(10)

    with Crew(2) as crew:
        task = crew.submit(each, part, range(1000))
        started.wait(10)
        threading.Timer(0.05, released.set).start()
    assert len(begun) <= 2
    with pytest.raises(StoppedError):
        task.result(0)


def test_parts_that_wait_for_a_server_end_with_the_run_too() -> None:
    started, released = threading.Event(), threading.Event()
    begun: list[int] = []

    def part(number: int) -> None:
        begun.append(number)
        started.set()
        released.wait(10)

    with Crew(1) as crew:
        task = crew.submit(each_waiting, part, range(1000), 3)
        started.wait(10)
        threading.Timer(0.05, released.set).start()
    assert len(begun) <= 3
    with pytest.raises(StoppedError):
        task.result(0)


def double(task: int, factor: int) -> int:
    return task * factor


def test_every_task_of_a_thread_executor_gives_its_result_once() -> None:
    assert sorted(ThreadExecutor(3).run(double, range(100), 2)) == list(range(0, 200, 2))
    assert list(ThreadExecutor(3).run(double, [], 2)) == []


def test_a_run_that_is_left_early_ends_its_threads() -> None:
    before = threading.active_count()
    results = ThreadExecutor(2).run(double, range(10**6), 1)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_an_error_of_a_task_ends_the_run() -> None:
    def refuse(task: int, limit: int) -> int:
        if task == limit:
            raise OSError(28, "No space left on device")
        return task

    with pytest.raises(OSError, match="No space left"):
        list(ThreadExecutor(2).run(refuse, range(10**6), 5))


def test_workers_are_threads_up_to_a_number() -> None:
    kinds = [
        (1, SerialExecutor),
        (2, ThreadExecutor),
        (MOST_THREADS, ThreadExecutor),
        (MOST_THREADS + 1, LocalExecutor),
    ]
    for count, kind in kinds:
        with executor(count) as run:
            assert isinstance(run, kind) and run.workers == count


def test_the_best_of_several_masks_is_the_one_with_the_lowest_rank() -> None:
    """Against the definition, pixel by pixel: the first of the masks that are clearest."""
    codes = [0, Quality.SNOW, Quality.SHADOW, Quality.ADJACENT, Quality.CLOUD, Quality.CLOUD | Quality.SNOW]
    codes = [*map(int, codes), int(Quality.WATER), QUALITY_FILL]
    masks = [np.random.default_rng(seed).choice(codes, (16, 16)).astype(np.uint8) for seed in range(3)]

    def rank(code: int) -> int:
        if code == QUALITY_FILL:
            return 255
        kinds = ((Quality.CLOUD, 3), (Quality.SHADOW | Quality.ADJACENT, 2), (Quality.SNOW, 1))
        return next((number for bits, number in kinds if code & bits), 0)

    for count in (1, 2, 3):
        winner, quality = best_quality(masks[:count], (16, 16))
        for place in np.ndindex(16, 16):
            values = [int(mask[place]) for mask in masks[:count]]
            best = min(range(count), key=lambda number: (rank(values[number]), number))
            nothing = values[best] == QUALITY_FILL
            assert (winner[place], quality[place]) == (-1 if nothing else best, values[best])
    assert (best_quality([], (2, 2))[0] == -1).all() and (best_quality([], (2, 2))[1] == QUALITY_FILL).all()
