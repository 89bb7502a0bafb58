"""Around a training: silence for Lightning, clear words for what goes wrong in the middle."""

import errno
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from blindsight.errors import BlindsightError, CorruptDataError, OutputError, ParameterError
from blindsight.provider.callbacks import EpochLog, Keeper

__all__ = ["as_our_errors", "quiet"]


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Keeps warnings, and what these loggers say to developers, from people who asked for none of it."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def as_our_errors(out: Path, last: Path, log: EpochLog, keeper: Keeper) -> Iterator[None]:
    """Turns what a user can cause in the middle of a training into one clear line."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
        if log.interrupted:
            raise KeyboardInterrupt
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns Ctrl-C into sys.exit.
        if not log.interrupted and not isinstance(error, KeyboardInterrupt):
            raise
        if last.exists() and keeper.kept:
            how = f"go on with the same command and --resume; {keeper.kept} is kept in {out}"
        else:
            how = f"nothing was kept yet; start again with --resume or remove {out}"
        raise BlindsightError(f"training interrupted; {how}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"no space left for {out}; free some and go on with --resume") from None
        raise
    except torch.OutOfMemoryError:
        raise ParameterError("the device is out of memory; choose a smaller --batch-size or --model") from None
    except (RuntimeError, EOFError, KeyError) as error:
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise ParameterError(
                f"torch.compile cannot compile this network here ({_first_line(error)}); leave --compile out"
            ) from error
        if last.exists() and not log.started:
            raise CorruptDataError(f"{last} cannot be resumed from ({_first_line(error)})") from error
        raise
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
