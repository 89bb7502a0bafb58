"""Progress of long work, on stderr: a live bar on a terminal, a line per epoch elsewhere."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """Listener for :class:`blindsight.provider.callbacks.EpochLog` and for decoding.

    Args:
        epochs: of the whole training.
        console: where to write; stderr where None.
    """

    def __init__(self, epochs: int, console: Console | None = None) -> None:
        self.epochs = epochs
        self.console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def reading(self, what: str, done: int, total: int) -> None:
        """Progress of decoding."""
        self._bar.update(self._task, description=what, completed=done, total=total, visible=done < total)

    def step(self, epoch: int, done: int, total: int) -> None:
        """Progress within an epoch."""
        self._bar.update(
            self._task, description=f"epoch {epoch}/{self.epochs}", completed=done, total=total, visible=True
        )

    def epoch(self, row: dict[str, Any]) -> None:
        """The numbers of a finished epoch."""
        width = len(str(self.epochs))
        text = f"epoch {row['epoch']:>{width}}/{self.epochs}  loss {row['train_loss']:.4f}"
        if "val_top1" in row:
            text += f"  val loss {row['val_loss']:.4f}  val top-1 {100 * row['val_top1']:6.2f} %"
        self.note(f"{text}  {row['images_per_second']:,.0f} images/s")
