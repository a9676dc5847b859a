import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isElanusError } from '@elanus/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drawDigits } from './draw.ts';
import { PIXELS, SIDE } from './mnist.ts';
import { Curtain, freshFolder } from './stage.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'elanus-stage-'));
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

describe('the folder of a demo', () => {
  it('is emptied when a demo made it, and never when anybody else did', () => {
    const folder = freshFolder(home, 'digits');
    writeFileSync(join(folder, 'meta.db'), 'old');
    expect(freshFolder(home, 'digits')).toBe(folder);
    expect(existsSync(join(folder, 'meta.db'))).toBe(false);
    const foreign = join(home, 'thesis');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'chapter-1.txt'), 'years of work');
    expect(() => freshFolder(home, 'thesis')).toThrow(/no demo made it/);
    try {
      freshFolder(home, 'thesis');
    } catch (error) {
      expect(isElanusError(error, 'invalid_argument')).toBe(true);
    }
    expect(existsSync(join(foreign, 'chapter-1.txt'))).toBe(true);
  });
});

describe('the curtain', () => {
  it('ends everything once, last things first', async () => {
    const ended: string[] = [];
    const curtain = new Curtain();
    curtain.add(() => void ended.push('database'));
    curtain.add(() => void ended.push('child'));
    expect(curtain.closing).toBe(false);
    await Promise.all([curtain.close(), curtain.close()]);
    expect(curtain.closing).toBe(true);
    expect(ended).toEqual(['child', 'database']);
  });
});

describe('drawing', () => {
  /** Ink in the upper half of every fourth row of pixels: half blocks. */
  const stripes = Uint8Array.from({ length: PIXELS }, (_, i) =>
    Math.floor(i / SIDE) % 4 < 2 ? 255 : 0,
  );

  it('puts digits side by side, a quarter of their side high', () => {
    const digit = { image: stripes, caption: 'a digit with a long name' };
    const lines = drawDigits([digit, digit], false);
    expect(lines).toHaveLength(1 + SIDE / 4);
    expect(lines[0]).toBe('a digit with a  a digit with a');
    expect(lines[1]).toBe(`${'▀'.repeat(14)}  ${'▀'.repeat(14)}`);
    const blank = drawDigits([{ image: new Uint8Array(PIXELS), caption: 'x' }], false);
    expect(blank.slice(1).join('')).toBe('');
  });

  it('uses greys where there are colours, and takes them back at the end', () => {
    const [, line = ''] = drawDigits([{ image: stripes, caption: 'x' }], true);
    expect(line).toContain('\x1b[38;5;255;48;5;232m▀');
    expect(line.endsWith('\x1b[0m')).toBe(true);
  });
});
