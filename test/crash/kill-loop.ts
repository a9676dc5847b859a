/**
 * kill -9 in the middle of writes, deletes, flushes and changes of the schema; reopen; compare with
 * what was acknowledged. Every acknowledged write is there, nothing else is, and a write in flight
 * is there whole or not at all. As a command: `node --conditions=elanus:source
 * test/crash/kill-loop.ts [kills] [seed]`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { elanus } from 'elanus';
import { randomOperation, type Operation } from './operation.ts';

/** What a loop of kills found. */
export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly ghosts: number;
  /** Writes in flight at the kill that turned out to be kept. */
  readonly keptInFlight: number;
}

type State = Map<number, number>;

function applyTo(state: State, operation: Operation): void {
  for (const id of operation.ids) {
    if (operation.kind === 'delete') state.delete(id);
    else state.set(id, operation.number);
  }
}

interface Attempt {
  readonly done: readonly Operation[];
  readonly inFlight: readonly Operation[];
  /** What its one field more may be called: by the last change, or by one under way. */
  readonly extra: ReadonlySet<string>;
}

/** Runs the writer until it is killed; returns what it acknowledged and what was under way. */
async function killOnce(input: {
  readonly folder: string;
  readonly seed: number;
  readonly first: number;
  readonly afterMs: number;
  /** What the field more was called before. */
  readonly extra: string;
  readonly durability: 'power' | 'process';
  readonly env: NodeJS.ProcessEnv | undefined;
  readonly midway: (() => void) | undefined;
}): Promise<Attempt> {
  const script = join(import.meta.dirname, 'writer.ts');
  const { folder, seed, first, afterMs, durability, env, midway } = input;
  const args = [folder, String(seed), String(first), durability];
  const child = spawn(process.execPath, ['--conditions=elanus:source', script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const done: Operation[] = [];
  const inFlight = new Map<number, Operation>();
  const extra = new Set([input.extra]);
  let opened = false;
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    if (line === 'open') {
      opened = true;
      if (midway !== undefined) setTimeout(midway, afterMs / 2);
      setTimeout(() => child.kill('SIGKILL'), afterMs);
    } else if (line.startsWith('begin ')) {
      const operation = JSON.parse(line.slice(6)) as Operation;
      inFlight.set(operation.lane, operation);
    } else if (line.startsWith('alter ')) {
      extra.add(line.slice(6));
    } else if (line.startsWith('altered ')) {
      extra.clear();
      extra.add(line.slice(8));
    } else {
      const [how, lane] = line.split(' ');
      const operation = inFlight.get(Number(lane));
      inFlight.delete(Number(lane));
      if (operation !== undefined && how === 'done') done.push(operation);
    }
  });
  const closed = new Promise<void>((resolve) => lines.on('close', resolve));
  const signal = await new Promise((resolve) => child.on('exit', (_, name) => resolve(name)));
  await closed;
  if (!opened || signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${complaint}`);
  return { done, inFlight: [...inFlight.values()], extra };
}

/** What a folder holds: its rows, and the field that it was given besides. */
async function readAll(folder: string): Promise<{ readonly found: State; readonly extra: string }> {
  const db = await elanus(folder);
  const state: State = new Map();
  let extra = '';
  try {
    const rows = await db.collection('rows');
    const names = (await db.describe('rows')).schema.fields.map(({ name }) => name);
    extra = names.filter((name) => name.startsWith('extra')).join();
    for await (const page of rows.scan({ select: ['value', 'vec', 'text'] } as never)) {
      for (const row of page as unknown as {
        id: bigint;
        value: bigint;
        vec: Float32Array;
        text: string;
      }[]) {
        const value = Number(row.value);
        const whole = row.vec[31] === value % 97 && row.text.startsWith(`${value} `);
        if (!whole) throw new Error(`row ${row.id} is torn`);
        state.set(Number(row.id), value);
      }
    }
    const count = await rows.count();
    if (count !== state.size) throw new Error(`count says ${count}, scan ${state.size}`);
  } finally {
    await db.close();
  }
  return { found: state, extra };
}

/** What is killed, and what befalls its disk. */
export interface KillOptions {
  /** A new one below the system's temporary folder when absent. */
  readonly folder?: string;
  /** Default `power`. */
  readonly durability?: 'power' | 'process';
  /** Settings of the writer's process besides ours. */
  readonly env?: NodeJS.ProcessEnv;
  /** Runs while the writer writes. */
  readonly midway?: () => void;
  /** Runs behind each kill, before the folder is opened again. */
  readonly afterKill?: () => void;
}

/** Kills `kills` times over one folder, checking after each. */
export async function killLoop(
  kills: number,
  seed: number,
  options: KillOptions = {},
): Promise<KillReport> {
  const { durability = 'power', afterKill, env, midway } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'elanus-kill-'));
  let state: State = new Map();
  let fieldBefore = '';
  let acknowledged = 0;
  let lost = 0;
  let ghosts = 0;
  let keptInFlight = 0;
  try {
    for (let kill = 0; kill < kills; kill++) {
      const { number: dice } = randomOperation({ seed, lane: 9, number: kill });
      const afterMs = 5 + ((dice * 7919 + seed * 31) % 97) * 4;
      const first = kill * 100_000;
      const { done, inFlight, extra } = await killOnce({
        folder,
        seed,
        first,
        afterMs,
        durability,
        env,
        midway,
        extra: fieldBefore,
      });
      afterKill?.();
      for (const operation of done) applyTo(state, operation);
      acknowledged += done.length;
      const { found, extra: field } = await readAll(folder);
      if (!extra.has(field)) lost++;
      fieldBefore = field;
      for (const operation of inFlight) {
        const after = new Map(state);
        applyTo(after, operation);
        const kept = operation.ids.every((id) => found.get(id) === after.get(id));
        const changes = operation.ids.some((id) => state.get(id) !== after.get(id));
        if (!kept || !changes) continue;
        keptInFlight++;
        state = after;
      }
      for (const [id, value] of state) if (found.get(id) !== value) lost++;
      for (const id of found.keys()) if (!state.has(id)) ghosts++;
      if (lost + ghosts > 0) break;
    }
  } finally {
    if (lost + ghosts === 0 && options.folder === undefined) rmSync(folder, { recursive: true });
  }
  return { kills, acknowledged, lost, ghosts, keptInFlight };
}

if (process.argv[1] === import.meta.filename) {
  const [kills = '200', seed = '1'] = process.argv.slice(2);
  const report = await killLoop(Number(kills), Number(seed));
  console.log(
    `${report.kills} kills, ${report.acknowledged} writes acknowledged, ` +
      `${report.keptInFlight} in flight kept whole: ` +
      `${report.lost} rows lost, ${report.ghosts} ghosts`,
  );
  process.exitCode = report.lost + report.ghosts === 0 ? 0 : 1;
}
