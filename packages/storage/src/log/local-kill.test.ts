/**
 * Goal: `kill -9` loses nothing that was acknowledged and leaves no hole. Method: a child process
 * writes and prints what was acknowledged; it is killed at random moments, ten times on one folder
 * per class.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { read, span } from '../conformance/log-kit.ts';
import { nodeFs } from '../fs/node.ts';
import { localLogStore } from './local.ts';

const WRITER = fileURLToPath(new URL('../testing/kill-writer.ts', import.meta.url));

/** Runs the writer until it has acknowledged something and `ms` have passed; the last acked seq. */
function writeAndKill(folder: string, durability: string, ms: number): Promise<number> {
  const args = ['--conditions=elanus:source', WRITER, folder, durability];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    out += chunk;
    if (out.split('\n').length > 10) timer ??= setTimeout(() => child.kill('SIGKILL'), ms);
  });
  return new Promise((resolve) => {
    child.on('close', () => {
      const whole = out.slice(0, out.lastIndexOf('\n')).split('\n');
      resolve(Number(whole.at(-1)));
    });
  });
}

test.each(['power', 'process'])(
  'class %s, ten kills',
  async (durability) => {
    const folder = mkdtempSync(join(tmpdir(), 'elanus-kill-'));
    try {
      let acked = 0;
      for (let round = 0; round < 10; round++) {
        acked = await writeAndKill(folder, durability, (round * 37) % 90);
        const store = localLogStore({ fs: nodeFs(folder) });
        const stream = await store.open('p0');
        const { lastSeq } = await stream.span();
        expect(lastSeq).toBeGreaterThanOrEqual(acked);
        const entries = await read(stream);
        expect(entries.map((entry) => entry.seq)).toEqual(span(1, lastSeq));
        for (const { seq, bytes } of entries) {
          expect(bytes.length).toBe(500 + ((seq * 7919) % 9000));
          expect(Buffer.from(bytes).toString('latin1', 0, `${seq};`.length)).toBe(`${seq};`);
        }
        // Every other time the log is not closed, as after another kill.
        if (round % 2 === 0) await store.close();
      }
      expect(acked).toBeGreaterThan(50);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);
