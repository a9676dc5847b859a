import { assert } from '@elanus/core';
import { graphCount, ROUND_MAX } from '@elanus/kernels';

/**
 * Threads that share out the rounds of a graph build. One leads: it opens a stage, everybody takes
 * pieces of it, the leader takes pieces as well and waits until all are done. Helpers may come late
 * or not at all. Everything lies in shared memory; which thread does which piece changes nothing.
 */
export interface Crew {
  readonly control: Int32Array;
  /** [rowCount] row of each position. */
  readonly order: Uint32Array;
  /** Links that the rows of a round chose. */
  readonly chosen: Uint32Array;
  /** Nodes that were chosen, where their new links begin, and these. */
  readonly targets: Uint32Array;
  readonly starts: Uint32Array;
  readonly sources: Uint32Array;
  /** What helpers have to know of the codes: see coded-rows.ts. */
  readonly facts: Float64Array;
  /** Bits of the rows that walks can find while recall is measured. */
  readonly known: Uint32Array;
  /** True neighbours of the rows that measure recall, as a TopK. */
  readonly truth: {
    readonly scores: Float32Array;
    readonly rows: Uint32Array;
    readonly counts: Uint32Array;
    readonly tied: Uint8Array;
  };
  /** Ranks of the true neighbours of the rows that calibrate the codes. */
  readonly ranks: Uint32Array;
  /** What became of the walk of each of those rows: see recall-measure.ts. */
  readonly walks: {
    /** True neighbours that it found. */
    readonly hits: Uint32Array;
    readonly distances: Float64Array;
    /** 1 = through rows that a filter left out. */
    readonly tested: Uint32Array;
  };
}

/** Rows that measure recall, at most, and neighbours of each. */
export const TRUTH_MAX = { queries: 256, limit: 100 } as const;

/** Rows that serve as queries of the calibration, and neighbours of each. */
export const CALIBRATION_MAX = { queries: 32, limit: 11 } as const;

/** What a stage is about. */
export interface Stage {
  readonly kind: 'find' | 'merge' | 'encode' | 'truth' | 'walk' | 'calibrate';
  readonly roundStart: number;
  readonly level: number;
  readonly layer: number;
  /** Positions of the round, targets, runs of rows, or queries. */
  readonly count: number;
  readonly nodes: number;
}

const WORD = {
  epoch: 0,
  turn: 1,
  done: 2,
  kind: 3,
  start: 4,
  level: 5,
  layer: 6,
  count: 7,
} as const;
const WORD_NODES = 8;
const WORDS = 16;
const KINDS = ['idle', 'find', 'merge', 'encode', 'truth', 'walk', 'calibrate', 'ended'] as const;
/** Pieces: a few milliseconds of work (of a truth more), and enough of them for all threads. */
const PIECE = { find: 8, merge: 32, encode: 1, truth: 8, walk: 8, calibrate: 16 } as const;
/** Stages of fewer pieces are not worth waking anybody. */
const PIECES_MIN = 2;
const EPOCH_MASK = 0x7fff;
/** The place of a stage that is not open: behind every piece. */
const CLOSED = 0xffff;
const WAIT_MS = 1000;
/** Seconds without progress after which the leader takes a helper for dead. */
const PATIENCE = 30;

function shared(words: number): Uint32Array {
  return new Uint32Array(new SharedArrayBuffer(Math.max(4, words * 4)));
}

/** Shared memory of a build: four bytes a row and 500 KB. */
export function createCrew(rowCount: number, degree: number): Crew {
  let layers = 1;
  while (graphCount(rowCount, degree, layers) > 0) layers++;
  const links = ROUND_MAX * degree;
  return {
    control: new Int32Array(new SharedArrayBuffer(WORDS * 4)),
    order: shared(rowCount),
    chosen: shared(links * layers),
    targets: shared(links),
    starts: shared(links + 1),
    sources: shared(links),
    facts: new Float64Array(new SharedArrayBuffer(64)),
    known: shared(Math.ceil(rowCount / 32)),
    truth: {
      scores: new Float32Array(shared(TRUTH_MAX.queries * TRUTH_MAX.limit).buffer),
      rows: shared(TRUTH_MAX.queries * TRUTH_MAX.limit),
      counts: shared(TRUTH_MAX.queries),
      tied: new Uint8Array(shared(TRUTH_MAX.queries / 4).buffer),
    },
    ranks: shared(CALIBRATION_MAX.queries * CALIBRATION_MAX.limit),
    walks: {
      hits: shared(TRUTH_MAX.queries),
      distances: new Float64Array(shared(TRUTH_MAX.queries * 2).buffer),
      tested: shared(TRUTH_MAX.queries),
    },
  };
}

function word(crew: Crew, at: number): number {
  return Atomics.load(crew.control, at);
}

/** Takes the next piece of the open stage; undefined when none is left. */
function take(crew: Crew, epoch: number): { stage: Stage; from: number; to: number } | undefined {
  for (;;) {
    const turn = word(crew, WORD.turn);
    if (turn >>> 16 !== (epoch & EPOCH_MASK)) return undefined;
    const kind = KINDS[word(crew, WORD.kind)] ?? 'idle';
    const from = turn & 0xffff;
    const count = word(crew, WORD.count);
    if (kind === 'idle' || kind === 'ended' || from >= count) return undefined;
    const to = Math.min(count, from + PIECE[kind]);
    const stage = {
      kind,
      roundStart: word(crew, WORD.start),
      level: word(crew, WORD.level),
      layer: word(crew, WORD.layer),
      count,
      nodes: word(crew, WORD_NODES),
    };
    const next = ((epoch & EPOCH_MASK) << 16) | to;
    // Whoever reads an old turn fails here: the stage it read belongs to that turn.
    if (Atomics.compareExchange(crew.control, WORD.turn, turn, next) === turn) {
      return { stage, from, to };
    }
  }
}

/** Does `[from, to)` of a stage in bounded steps; gives the first that is not done. */
export type Work = (stage: Stage, from: number, to: number) => number;

/** Does pieces until none is left; 'done' after each. A piece that was taken must be done. */
function* pieces(
  crew: Crew,
  epoch: number,
  work: Work,
): Generator<'step' | 'done', void, undefined> {
  for (let piece = take(crew, epoch); piece !== undefined; piece = take(crew, epoch)) {
    const { stage, from, to } = piece;
    for (let at = from; at < to; ) {
      at = work(stage, at, to);
      yield 'step';
    }
    Atomics.add(crew.control, WORD.done, to - from);
    Atomics.notify(crew.control, WORD.done);
    yield 'done';
  }
}

/** Work of many steps: a piece is told done with the last of them. */
export function steppedWork(
  start: (stage: Stage, from: number, to: number) => Generator<undefined, unknown, undefined>,
): Work {
  let running: ReturnType<typeof start> | undefined;
  return (stage, from, to) => {
    running ??= start(stage, from, to);
    if (running.next().done !== true) return from;
    running = undefined;
    return to;
  };
}

/** Leads a stage: returns when all of it is done. */
export function* lead(crew: Crew, stage: Stage, work: Work): Generator<undefined, void, undefined> {
  if (stage.count < PIECE[stage.kind] * PIECES_MIN) {
    for (let at = 0; at < stage.count; ) {
      at = work(stage, at, stage.count);
      yield;
    }
    return;
  }
  assert(stage.count < CLOSED, 'a stage fits its counter');
  const { control } = crew;
  const epoch = (word(crew, WORD.epoch) + 1) | 0;
  const turn = (epoch & EPOCH_MASK) << 16;
  // Closed while the stage is written: nobody takes a piece of the old one with the new numbers.
  Atomics.store(control, WORD.turn, turn | CLOSED);
  Atomics.store(control, WORD.kind, KINDS.indexOf(stage.kind));
  Atomics.store(control, WORD.start, stage.roundStart);
  Atomics.store(control, WORD.level, stage.level);
  Atomics.store(control, WORD.layer, stage.layer);
  Atomics.store(control, WORD.count, stage.count);
  Atomics.store(control, WORD_NODES, stage.nodes);
  Atomics.store(control, WORD.done, 0);
  Atomics.store(control, WORD.turn, turn);
  Atomics.store(control, WORD.epoch, epoch);
  Atomics.notify(control, WORD.epoch);
  for (const _ of pieces(crew, epoch, work)) yield;
  let still = 0;
  for (let done = word(crew, WORD.done); done < stage.count; ) {
    Atomics.wait(control, WORD.done, done, WAIT_MS);
    const now = word(crew, WORD.done);
    still = now === done ? still + 1 : 0;
    assert(still < PATIENCE, 'threads that help a build go on');
    done = now;
  }
}

/** Tells helpers that nothing more comes. */
export function dismiss(crew: Crew): void {
  Atomics.store(crew.control, WORD.kind, KINDS.indexOf('ended'));
  Atomics.add(crew.control, WORD.epoch, 1);
  Atomics.notify(crew.control, WORD.epoch);
}

/** Helps until the leader is done or `ended` says so; in a thread of its own. */
export function help(crew: Crew, work: Work, ended: () => boolean): void {
  while (!ended()) {
    const epoch = word(crew, WORD.epoch);
    if (KINDS[word(crew, WORD.kind)] === 'ended') return;
    for (const at of pieces(crew, epoch, work)) if (at === 'done' && ended()) return;
    Atomics.wait(crew.control, WORD.epoch, epoch, WAIT_MS);
  }
}
