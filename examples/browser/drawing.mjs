// Turns strokes into an image as the digits of the training are, and images into text for a link.

import { SIDE } from "./model.mjs";

const LEVELS = 15; // shades of grey beside black: a pixel is one letter of a link
const BOX = 20; // a digit fills a square of so many pixels, and its centre of mass is the image's
const PEN = 1.1; // half the width of a line, in pixels
const LETTERS = "0123456789abcdef";

// Return the distance of a point to the line between two others.
function distance(x, y, [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
  const [ex, ey] = [x - x0 - along * dx, y - y0 - along * dy];
  return Math.sqrt(ex * ex + ey * ey);
}

function drawn(strokes, centreX, centreY) {
  const pixels = new Array(SIDE * SIDE).fill(0);
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i += 1) {
      const [from, to] = [stroke[Math.max(0, i - 1)], stroke[i]];
      for (let place = 0; place < pixels.length; place += 1) {
        const [x, y] = [(place % SIDE) + 0.5 - centreX, Math.floor(place / SIDE) + 0.5 - centreY];
        const ink = Math.min(1, Math.max(0, PEN + 0.5 - distance(x, y, from, to)));
        pixels[place] = Math.max(pixels[place], ink);
      }
    }
  }
  return pixels;
}

// Return the 784 pixels of strokes, which are arrays of points [x, y] in any unit.
export function pixelsOf(strokes) {
  const points = strokes.flat();
  if (!points.length) return new Array(SIDE * SIDE).fill(0);
  const [xs, ys] = [points.map((point) => point[0]), points.map((point) => point[1])];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const scale = (BOX - 2 * PEN) / Math.max(width, height, 1e-9);
  const scaled = strokes.map((stroke) =>
    stroke.map(([x, y]) => [(x - left - width / 2) * scale, (y - top - height / 2) * scale]),
  );
  const centred = drawn(scaled, SIDE / 2, SIDE / 2);
  const [mass, massX, massY] = centred.reduce(
    ([all, x, y], ink, place) => [
      all + ink,
      x + ink * ((place % SIDE) + 0.5),
      y + ink * (Math.floor(place / SIDE) + 0.5),
    ],
    [0, 0, 0],
  );
  const [moveX, moveY] = [massX, massY].map((each) => Math.round(SIDE / 2 - each / mass));
  const moved = drawn(scaled, SIDE / 2 + moveX, SIDE / 2 + moveY);
  return moved.map((ink) => Math.round(ink * LEVELS) / LEVELS);
}

// Return pixels as text: a letter for each.
export function textOf(pixels) {
  return pixels.map((ink) => LETTERS[Math.round(ink * LEVELS)]).join("");
}

// Return the pixels of a text, or null where it is none.
export function pixelsFrom(text) {
  if (!/^[0-9a-f]*$/.test(text) || text.length !== SIDE * SIDE) return null;
  return [...text].map((letter) => LETTERS.indexOf(letter) / LEVELS);
}
