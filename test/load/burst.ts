/**
 * Many searches at once, half of them aborted, over a collection of flushed and growing rows.
 *
 * How the event loop is watched: a probe runs in every round of the loop that begins a millisecond
 * or more after the last one (one timer, used again: a probe that makes garbage measures its own
 * collection). Between two probes lie one round or a few short ones: every turn of ours that ran in
 * them, microtasks included. Its length is taken as processor time of this
 * thread, which other processes do not stretch, and as wall time beside it. A round holds one turn
 * or more, so what is said of rounds bounds turns from above. Rounds in which nothing ran do not
 * count. The caller's own work is told apart: the turn in which the searches are begun (the
 * microtasks that follow it are ours, and are the first round), the turns in which it aborts, and
 * the looks at memory. Garbage collection is part of a round; how much of it was that is told by
 * the engine's own marks.
 *
 * Memory: the second of two equal bursts has to give back what it took. The first one pays once for
 * compiled code, stacks and arenas that stay.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { collection, elanus, isElanusError, t, type Db } from 'elanus';

/** What to do. */
export interface BurstOptions {
  readonly searches: number;
  readonly rows: number;
  readonly dim: number;
  readonly seed: number;
  /**
   * Processor time of this thread in ms; Node's own, which moves in ticks of 1 to 4 ms, if absent.
   */
  readonly threadMs?: (() => number) | undefined;
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
  readonly rounds: readonly Round[];
  /** Memory of the filled database before any burst. */
  readonly fresh: MemoryUse;
  /** Resident and heap bytes before, at the most, and when they were back or 5 s were over. */
  readonly before: MemoryUse;
  readonly peak: MemoryUse;
  readonly after: MemoryUse;
  readonly backMs: number;
}

/** A round of the event loop in which something ran. */
export interface Round {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Wall time of it that went into garbage collection. */
  readonly gcMs: number;
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

const nodeThreadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
};

/** Watches rounds of the event loop until it is stopped; work of the caller does not count. */
function watchRounds(threadMs: () => number): {
  readonly stop: () => Promise<Round[]>;
  readonly caller: (work: () => void) => void;
} {
  const rounds: { readonly cpuMs: number; readonly from: number; readonly to: number }[] = [];
  const collections: { readonly at: number; readonly ms: number }[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      collections.push({ at: startTime, ms: duration });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  let watching = true;
  let callerMs = 0;
  const caller = (work: () => void): void => {
    const from = threadMs();
    work();
    callerMs += threadMs() - from;
  };
  let lastCpu = threadMs();
  let last = performance.now();
  const probe = (): void => {
    const [nowCpu, now] = [threadMs(), performance.now()];
    const cpuMs = nowCpu - lastCpu - callerMs;
    callerMs = 0;
    if (cpuMs >= ROUND_MS_MIN) rounds.push({ cpuMs, from: last, to: now });
    lastCpu = nowCpu;
    last = now;
    if (watching) timer.refresh();
  };
  const timer = setTimeout(probe, 1);
  const stop = async (): Promise<Round[]> => {
    watching = false;
    await new Promise((resolve) => setTimeout(resolve, 20));
    observer.disconnect();
    return rounds.map(({ cpuMs, from, to }) => {
      const inside = collections.filter(({ at }) => at >= from && at < to);
      const gcMs = inside.reduce((sum, { ms }) => sum + ms, 0);
      return { cpuMs, wallMs: to - from, gcMs };
    });
  };
  return { stop, caller };
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

type Rows = Awaited<ReturnType<typeof fill>>;

/** Fills a database in memory; two equal bursts over it, of which the second is told. */
export async function burst(options: BurstOptions): Promise<BurstReport> {
  const db = await elanus(':memory:');
  const docs = await fill(db, options);
  let unhandled = 0;
  const onUnhandled = (): void => {
    unhandled++;
  };
  process.on('unhandledRejection', onUnhandled);
  try {
    const fresh = memory();
    await oneBurst(docs, options);
    const report = await oneBurst(docs, options);
    // Everything still works.
    const hits = await docs.search({ vector: new Float32Array(options.dim), limit: 10 });
    const others = hits.length === 10 ? report.others : [...report.others, 'no hits afterwards'];
    return { ...report, others, unhandled, fresh };
  } finally {
    process.off('unhandledRejection', onUnhandled);
    await db.close();
  }
}

type Burst = Omit<BurstReport, 'unhandled' | 'fresh'>;

/** Begins all searches in one turn, aborts every other one, waits for the end. */
async function oneBurst(docs: Rows, options: BurstOptions): Promise<Burst> {
  const next = random(options.seed + 1);
  const vectors = Array.from({ length: 64 }, () =>
    Float32Array.from({ length: options.dim }, next),
  );
  collect();
  const before = memory();
  const others: string[] = [];
  let answered = 0;
  let cancelled = 0;
  const settle = (error: unknown): void => {
    if (isElanusError(error, 'cancelled')) cancelled++;
    else others.push(isElanusError(error) ? error.code : String(error));
  };
  const aborts: { readonly atMs: number; readonly controller: AbortController }[] = [];
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
    if (i % 2 === 1) aborts.push({ atMs: next() * options.searches * 0.05, controller });
  }
  const all = Promise.all(pending);
  pending = [];
  // Some are aborted at once, the others while they wait or run.
  aborts.sort((a, b) => a.atMs - b.atMs);
  const launchMs = performance.now() - begin;
  const rounds = watchRounds(options.threadMs ?? nodeThreadMs);
  let peak = before;
  const aborting = setInterval(() => {
    rounds.caller(() => {
      const due = aborts.findIndex(({ atMs }) => atMs > performance.now() - begin);
      for (const { controller } of aborts.splice(0, due < 0 ? aborts.length : due)) {
        controller.abort();
      }
    });
  }, 5);
  const sampling = setInterval(() => {
    rounds.caller(() => {
      const now = memory();
      peak = { rss: Math.max(peak.rss, now.rss), heap: Math.max(peak.heap, now.heap) };
    });
  }, 20);
  await all;
  const totalMs = performance.now() - begin;
  clearInterval(sampling);
  clearInterval(aborting);
  const back = await memoryBack(before);
  const seen = { answered, cancelled, others, launchMs, totalMs };
  return { ...seen, rounds: await rounds.stop(), before, peak, ...back };
}

/** Waits until memory is as before, but for a little; five seconds at most. */
async function memoryBack(before: MemoryUse): Promise<{ after: MemoryUse; backMs: number }> {
  const over = performance.now();
  for (;;) {
    collect();
    const after = memory();
    const backMs = performance.now() - over;
    const back = after.heap <= before.heap + SLACK_BYTES && after.rss <= before.rss + SLACK_BYTES;
    if (back || backMs > BACK_MS) return { after, backMs };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
