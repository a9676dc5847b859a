/**
 * Many searches at once, half of them aborted, over a collection of flushed and growing rows.
 *
 * How the event loop is watched: a probe runs once in every round of the loop (`setImmediate`, again
 * and again, on a core that has nothing else to do). Between two probes lies one round: every turn
 * of ours that ran in it, microtasks included. Its length is taken as processor time of this thread,
 * which other processes do not stretch, and as wall time beside it. A round holds one turn or more,
 * so what is said of rounds bounds turns from above. Rounds in which nothing ran do not count. The
 * caller's own turn, in which the searches are begun, is told apart.
 */
import { collection, elanus, isElanusError, t, type Db } from 'elanus';

/** What to do. */
export interface BurstOptions {
  readonly searches: number;
  readonly rows: number;
  readonly dim: number;
  readonly seed: number;
}

/** What was seen. */
export interface BurstReport {
  readonly answered: number;
  readonly cancelled: number;
  /** Codes of other refusals. */
  readonly others: readonly string[];
  readonly unhandled: number;
  /** The caller's own turn: begins all searches. */
  readonly launchMs: number;
  readonly totalMs: number;
  /** Processor time and wall time of each round of the loop in which something ran. */
  readonly roundsCpuMs: readonly number[];
  readonly roundsWallMs: readonly number[];
  /** Resident and heap bytes before, at the most, and when they were back or 5 s were over. */
  readonly before: MemoryUse;
  readonly peak: MemoryUse;
  readonly after: MemoryUse;
  readonly backMs: number;
}

interface MemoryUse {
  readonly rss: number;
  readonly heap: number;
}

/** A round with less than this did nothing but the probe. */
const ROUND_MS_MIN = 0.05;
const SLACK_BYTES = 32 * 1024 * 1024;
const BACK_MS = 5_000;

function memory(): MemoryUse {
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

const collect = (): void => (globalThis as { gc?: () => void }).gc?.();

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
};

/** Watches rounds of the event loop until it is stopped. */
function watchRounds() {
  const cpu: number[] = [];
  const wall: number[] = [];
  let watching = true;
  let lastCpu = threadMs();
  let lastWall = performance.now();
  const probe = (): void => {
    const [nowCpu, nowWall] = [threadMs(), performance.now()];
    if (nowCpu - lastCpu >= ROUND_MS_MIN) cpu.push(nowCpu - lastCpu);
    if (nowWall - lastWall >= ROUND_MS_MIN) wall.push(nowWall - lastWall);
    lastCpu = nowCpu;
    lastWall = nowWall;
    if (watching) setImmediate(probe);
  };
  setImmediate(probe);
  return {
    cpu,
    wall,
    stop: () => {
      watching = false;
    },
  };
}

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function fill(db: Db, options: BurstOptions) {
  const { rows, dim, seed } = options;
  const Rows = collection('rows', {
    id: t.int64({ primary: true }),
    group: t.int32(),
    vec: t.vector(dim, { metric: 'l2' }),
  });
  const docs = await db.collection(Rows);
  const next = random(seed);
  const batch = 1_000;
  for (let at = 0; at < rows; at += batch) {
    await docs.insert({
      id: BigInt64Array.from({ length: batch }, (_, i) => BigInt(at + i)),
      group: Int32Array.from({ length: batch }, (_, i) => (at + i) % 10),
      vec: Float32Array.from({ length: batch * dim }, next),
    });
  }
  return docs;
}

/** Fills a database in memory, begins all searches in one turn, aborts every other one. */
export async function burst(options: BurstOptions): Promise<BurstReport> {
  const db = await elanus(':memory:');
  const docs = await fill(db, options);
  const next = random(options.seed + 1);
  const vectors = Array.from({ length: 64 }, () =>
    Float32Array.from({ length: options.dim }, next),
  );
  let unhandled = 0;
  const onUnhandled = (): void => {
    unhandled++;
  };
  process.on('unhandledRejection', onUnhandled);
  for (let i = 0; i < 200; i++) await docs.search({ vector: vectors[i % 64] ?? [], limit: 10 });
  collect();
  const before = memory();

  let peak = before;
  const others: string[] = [];
  let answered = 0;
  let cancelled = 0;
  const settle = (error: unknown): void => {
    if (isElanusError(error, 'cancelled')) cancelled++;
    else others.push(isElanusError(error) ? error.code : String(error));
  };
  const begin = performance.now();
  let pending: Promise<void>[] = [];
  for (let i = 0; i < options.searches; i++) {
    const controller = new AbortController();
    const search = docs.search({
      vector: vectors[i % 64] ?? [],
      limit: 10,
      ...(i % 4 < 2 ? {} : { filter: { group: { lt: 5 } } }),
      signal: controller.signal,
    });
    pending.push(search.then(() => void answered++, settle));
    // Some at once, the others while they wait or run.
    if (i % 2 === 1) setTimeout(() => controller.abort(), next() * options.searches * 0.05);
  }
  const launchMs = performance.now() - begin;
  // The caller's turn ends here, with the microtasks that follow it.
  await Promise.resolve();
  const rounds = watchRounds();
  const sampling = setInterval(() => {
    const now = memory();
    peak = { rss: Math.max(peak.rss, now.rss), heap: Math.max(peak.heap, now.heap) };
  }, 20);
  await Promise.all(pending);
  const totalMs = performance.now() - begin;
  rounds.stop();
  clearInterval(sampling);
  pending = [];

  const over = performance.now();
  let after = memory();
  for (;;) {
    collect();
    after = memory();
    const back = after.heap <= before.heap + SLACK_BYTES && after.rss <= before.rss + SLACK_BYTES;
    if (back || performance.now() - over > BACK_MS) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const backMs = performance.now() - over;
  // Everything still works.
  const hits = await docs.search({ vector: vectors[0] ?? [], limit: 10 });
  if (hits.length !== 10) others.push('no hits afterwards');
  await db.close();
  process.off('unhandledRejection', onUnhandled);
  const { cpu: roundsCpuMs, wall: roundsWallMs } = rounds;
  const seen = { answered, cancelled, others, unhandled, launchMs, totalMs };
  return { ...seen, roundsCpuMs, roundsWallMs, before, peak, after, backMs };
}
