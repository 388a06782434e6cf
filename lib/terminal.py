"""What commands show: sentences on stdout, progress on stderr, where a bar moves only on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

RATE = "{task.fields[rate]:>9,.0f} rows/s"


def say(sentence: str = "") -> None:
    Console(highlight=False, soft_wrap=True).print(sentence, markup=False)


class Bar:
    """Rows done of all, rows per second and the time left."""

    def __init__(self, label: str) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(RATE),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.task = self.progress.add_task(label, total=None, rate=0.0)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def show(self, label: str, done: int, total: int | None, rate: float) -> None:
        self.progress.update(self.task, description=label, completed=done, total=total, rate=rate)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()
