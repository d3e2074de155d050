"""README's moving picture, from a run's video: python docs/gif.py runs/…/video.mp4 docs/demo.gif"""

import sys

import av
from PIL import Image

WIDTH, EVERY, SPEED, COLOURS = 400, 3, 2.0, 200
"""Pixels; every n-th frame of the video is kept; how much faster than the robot."""


def main(video: str, gif: str) -> None:
    with av.open(video) as container:
        rate = float(container.streams.video[0].average_rate or 10)
        kept = [frame.to_image() for number, frame in enumerate(container.decode(video=0)) if number % EVERY == 0]
    height = kept[0].height * WIDTH // kept[0].width
    small = [image.resize((WIDTH, height), Image.Resampling.LANCZOS) for image in kept]
    sheet = Image.new("RGB", (WIDTH, 3 * height))
    for row, image in enumerate((small[0], small[len(small) // 2], small[-1])):
        sheet.paste(image, (0, row * height))
    palette = sheet.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small]
    pause = [int(1000 * EVERY / rate / SPEED)] * (len(frames) - 1) + [1500]
    frames[0].save(gif, save_all=True, append_images=frames[1:], duration=pause, loop=0, optimize=True)
    print(f"{gif}: {len(frames)} pictures of {WIDTH}×{height}")


if __name__ == "__main__":
    main(*sys.argv[1:])
