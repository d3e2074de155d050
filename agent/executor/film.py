"""The film of a run: pictures go in, a writer thread captions and encodes them, a browser plays what comes out.

H.264, yuv420p, in fragments of one second, so that a film cut off by a crash still opens; closed properly, it is repacked with its index
in front, as browsers like it best.
"""

import io
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agent.errors import RecordError
from agent.executor.files import Log, reason, replace_file
from agent.types import Array

WAITING_PICTURES = 48
"""Pictures that may wait for the encoder (25 MB at 360 × 480); then whoever brings the next one waits."""
PATIENCE_S = 20.0
"""After so long without room for one more picture the encoder is held to be stuck."""
PIECE_BYTES = 8 * 2**20
"""Room for the largest fragment, so that each is written in one go."""
STRIP_PX = 56
INK, FAINT, PAPER = (240, 242, 245), (150, 158, 170), (20, 23, 28)
TONES = {"done": (88, 196, 130), "failed": (240, 110, 100), "alert": (245, 180, 75)}
ALERT_S = 1.5
CARD_S = 2.0
"""How long the last picture stands, with the verdict under it."""


@dataclass(frozen=True)
class Caption:
    """What stands under a picture: what the person said, what the robot is at, and at the right when."""

    words: str = ""
    step: str = ""
    note: str = ""
    """Something out of the ordinary, instead of the step: a disturbance, an outcome, the verdict."""
    tone: str = ""
    """The note's colour: "done", "failed" or "alert"."""


class Film:
    """A writer thread with a bounded queue: pictures are never dropped, an encoder that cannot keep up slows the robot instead."""

    def __init__(self, path: Path | None, rate_hz: float) -> None:
        self.path = path
        """The mp4 file; None keeps stills only."""
        self.rate_hz = rate_hz
        self.frames = 0
        self.failure: RecordError | None = None
        """What went wrong in the writer thread; every later call raises it."""
        self.waited_s = 0.0
        self.encoded_s = 0.0
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING_PICTURES)
        self._encoder: Encoder | None = None
        self._last: tuple[int, Array, Caption] | None = None
        self._thread = threading.Thread(target=self._write, name="film", daemon=True)
        self._thread.start()

    def frame(self, tick: int, image: Array, caption: Caption, clock: int | None = None) -> None:
        """One more picture, uint8[h, w, 3], shown from `tick` on; a second one of the same tick is the same picture, and not kept.

        `clock`: the tick that stands under it, if that is another one.
        """
        if self.path is not None and (self._last is None or tick > self._last[0]):
            self._last = (tick, image, caption)
            self._put(lambda: self._encode(tick, image, caption, tick if clock is None else clock))

    def still(self, path: Path, image: Array) -> None:
        """Keep one picture as a JPEG file, whole or not at all."""
        self._put(lambda: replace_file(path, jpeg(image)))

    def close(self, card: Caption | None = None) -> None:
        """Write what still waits, let the last picture stand with `card` under it, and finish the file."""
        if not self._thread.is_alive():
            return
        if self._last is not None and self.failure is None:
            tick, image, caption = self._last
            self.frame(tick + max(1, round(0.1 * self.rate_hz)), image, card or caption, clock=tick)
            self.frame(tick + max(2, round(CARD_S * self.rate_hz)), image, card or caption, clock=tick)
        self._queue.put(None, timeout=PATIENCE_S)
        self._thread.join(PATIENCE_S)
        if self.failure is not None:
            raise self.failure

    def _put(self, job: Callable[[], None]) -> None:
        if self.failure is not None:
            raise self.failure
        begun = time.perf_counter()
        try:
            self._queue.put(job, timeout=PATIENCE_S)
        except queue.Full:
            self.failure = RecordError(f"The video encoder has been stuck for {PATIENCE_S:.0f} s. Turn it off with runs.video: false.")
            raise self.failure from None
        self.waited_s += time.perf_counter() - begun

    def _write(self) -> None:
        while (job := self._queue.get()) is not None:
            if self.failure is None:
                self._do(job)
        if self._encoder is not None:
            self._do(self._encoder.close)

    def _do(self, job: Callable[[], None]) -> None:
        begun = time.perf_counter()
        try:
            job()
        except RecordError as error:
            self.failure = self.failure or error
        except Exception as error:
            self.failure = self.failure or RecordError(f"Cannot write {self.path}: {reason(error)}. What was written so far still plays.")
        self.encoded_s += time.perf_counter() - begun

    def _encode(self, tick: int, image: Array, caption: Caption, clock: int) -> None:
        assert self.path is not None
        picture = captioned(image, caption, f"{clock / self.rate_hz:.1f} s · tick {clock}")
        if self._encoder is None:
            self._encoder = Encoder(self.path, picture.shape[1], picture.shape[0], self.rate_hz)
        self._encoder.add(tick, picture)
        self.frames += 1


class Encoder:
    """An mp4 file under way."""

    def __init__(self, path: Path, width: int, height: int, rate_hz: float) -> None:
        import av

        self.path = path
        pieces = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        self._pieces = Pieces(path)
        self._file = av.open(self._pieces, "w", format="mp4", options=pieces, buffer_size=PIECE_BYTES)
        rate = Fraction(rate_hz).limit_denominator(1000)
        name = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream: Any = self._file.add_stream(name, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.codec_context.gop_size = 10
        stream.thread_count = 1
        stream.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "24"} if name == "libx264" else {"qscale": "4"}
        self._stream, self._tick = stream, 1 / rate
        self._first: int | None = None

    def add(self, tick: int, picture: Array) -> None:
        """uint8[h, w, 3], even h and w, shown from `tick` on."""
        import av

        self._first = tick if self._first is None else self._first
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = tick - self._first, self._tick
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file; after a failed write, leave it as it is."""
        try:
            self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()
            self._pieces.log.close()
        if not self._pieces.broken:
            repack(self.path)


class Pieces:
    """Where the muxer writes: a fragment reaches the file whole or not at all, and nothing follows one that could not be written."""

    def __init__(self, path: Path) -> None:
        self.log = Log(path)
        self.broken = False

    def write(self, data: bytes) -> int:
        if not self.broken:
            try:
                self.log.append(data)
            except RecordError:
                self.broken = True
                raise
        return len(data)


def repack(path: Path) -> None:
    """Put an mp4's index in front and join its fragments, without encoding anew."""
    import av

    fresh = path.with_name(path.name + ".new")
    try:
        with av.open(str(path)) as old, av.open(str(fresh), "w", format="mp4", options={"movflags": "faststart"}) as new:
            source = old.streams.video[0]
            target = new.add_stream_from_template(source)
            for packet in old.demux(source):
                if packet.dts is not None:
                    packet.stream = target
                    new.mux(packet)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def captioned(image: Array, caption: Caption, clock: str) -> Array:
    """uint8[h, w, 3] → the picture above a strip of text, both sides even as yuv420p wants them."""
    height, width = image.shape[0] + image.shape[0] % 2, image.shape[1] + image.shape[1] % 2
    page = Image.new("RGB", (width, height + STRIP_PX), PAPER)
    page.paste(Image.fromarray(image))
    draw = ImageDraw.Draw(page)
    draw.text((width - 12, height + 33), clock, font=font(13), fill=FAINT, anchor="ra")
    words = " ".join(f"“{caption.words}”".split())[:400] if caption.words else ""
    size = next((size for size in (16, 15, 14) if font(size, words).getlength(words) <= width - 24), 13)
    draw.text((12, height + 8), fitted(words, size, width - 24), font=font(size, words), fill=INK)
    line, tone = (caption.note, TONES.get(caption.tone, FAINT)) if caption.note else (caption.step, FAINT)
    room = width - 24 - 16 - font(13).getlength(clock)
    draw.text((12, height + 31), fitted(line, 14, room), font=font(14, line), fill=tone)
    return np.asarray(page)


@lru_cache(maxsize=256)
def fitted(text: str, size: int, room: float) -> str:
    """As much of the text, on one line, as has room; an ellipsis if there was more."""
    text = " ".join(text.split())[:400]
    length = font(size, text).getlength
    if length(text) <= room:
        return text
    while text and length(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


def font(size: int, text: str = "") -> Any:
    """Pillow's own font; for letters beyond Latin-1 a wider one, where the system has it."""
    return _font(size, any(ord(char) > 255 and char not in "“”…·→" for char in text))


@lru_cache(maxsize=16)
def _font(size: int, wide: bool) -> Any:
    for name in ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf") if wide else ():
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def jpeg(image: Array, quality: int = 85) -> bytes:
    """uint8[h, w, 3] → a JPEG file."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=quality)
    return data.getvalue()
