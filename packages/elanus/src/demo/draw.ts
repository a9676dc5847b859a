import { PIXELS, SIDE } from './mnist.ts';

/** A digit in the terminal takes half its side in columns, and a quarter in lines. */
const CELLS = SIDE / 2;
const GAP = '  ';

/**
 * Digits side by side, each under its caption: two pixels to a half block, four to a cell. With
 * colours in shades of grey, without them in ink and paper.
 */
export function drawDigits(
  digits: readonly { readonly image: ArrayLike<number>; readonly caption: string }[],
  colours: boolean,
): string[] {
  const pictures = digits.map(({ image }) => picture(image, colours));
  const lines = [digits.map(({ caption }) => caption.slice(0, CELLS).padEnd(CELLS)).join(GAP)];
  for (let row = 0; row < CELLS / 2; row++) {
    lines.push(pictures.map((picture) => picture[row]).join(GAP));
  }
  return lines.map((line) => line.trimEnd());
}

function picture(image: ArrayLike<number>, colours: boolean): string[] {
  const dots = halved(image);
  return Array.from({ length: CELLS / 2 }, (_, row) => {
    const upper = dots.slice(row * 2 * CELLS, (row * 2 + 1) * CELLS);
    const lower = dots.slice((row * 2 + 1) * CELLS, (row * 2 + 2) * CELLS);
    const cells = upper.map((top, i) => (colours ? shades : inks)(top, lower[i] ?? 0));
    return cells.join('') + (colours ? '\x1b[0m' : '');
  });
}

/** Every four pixels as one, their mean. */
function halved(image: ArrayLike<number>): number[] {
  const dots = Array.from({ length: PIXELS / 4 }, () => 0);
  for (let i = 0; i < PIXELS; i++) {
    const at = Math.floor(i / SIDE / 2) * CELLS + Math.floor((i % SIDE) / 2);
    dots[at] = (dots[at] ?? 0) + (image[i] ?? 0) / 4;
  }
  return dots;
}

function inks(top: number, bottom: number): string {
  const upper = top > 96;
  const lower = bottom > 96;
  if (upper && lower) return '█';
  if (upper) return '▀';
  return lower ? '▄' : ' ';
}

/** The 24 greys of 256-colour terminals begin at 232. */
function shades(top: number, bottom: number): string {
  const grey = (value: number): number => 232 + Math.round((value / 255) * 23);
  return `\x1b[38;5;${grey(top)};48;5;${grey(bottom)}m▀`;
}
