import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Line {
  readonly event: string;
  readonly url?: string;
  readonly code?: string;
}

/** Starts the service; its log lines as they come, and its exit code. */
function start(env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ['--conditions=elanus:source', MAIN], {
    env: { ...process.env, ELANUS_FOLDER: ':memory:', ELANUS_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Line> => JSON.parse((await lines.next()).value ?? '{}') as Line;
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, next, ended };
}

test('listens, answers, and stops when told', async () => {
  const { child, next, ended } = start({ ELANUS_TOKEN: 'kite' });
  const { event, url } = await next();
  expect(event).toBe('listening');
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect((await fetch(`${url}/version`)).status).toBe(401);
  child.kill('SIGTERM');
  expect([(await next()).event, (await next()).event]).toEqual(['stopping', 'stopped']);
  expect(await ended).toBe(0);
});

test('refuses to listen beyond this machine without a token', async () => {
  const { next, ended } = start({ ELANUS_HOST: '0.0.0.0' });
  expect(await next()).toMatchObject({ event: 'failed', code: 'insecure_bind' });
  expect(await ended).toBe(1);
});
