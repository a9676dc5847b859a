/**
 * Switches for rare paths: constants of the product that a seed sets to other values, so that what
 * is cut at a thousand rows is cut at three, and what happens once in ten minutes happens all the
 * time. They are planted when the source is loaded: product code knows nothing of them.
 */
import type { RegisterHooksOptions } from 'node:module';
import type { SeededRng } from '../../packages/testkit/src/index.ts';

/** A constant, and what it may be instead. */
interface Switch {
  /** Below `packages/`. */
  readonly file: string;
  /** Of a constant of the file, or of a property that stands on a line of its own. */
  readonly name: string;
  readonly to: readonly number[];
}

const SHARD = 'streaming-node/src/shard';
const limit = (name: string, ...to: number[]): Switch => {
  return { file: 'core/src/limits.ts', name, to };
};
const of = (file: string, name: string, ...to: number[]): Switch => ({ file, name, to });

const ALL: readonly Switch[] = [
  limit('recordBytesTarget', 200, 2_000),
  limit('recordRowsTarget', 1, 3),
  limit('growingBytesMax', 1, 500, 5_000),
  limit('growingLogBytesMax', 500, 20_000),
  limit('growingIdleMs', 50, 2_000),
  limit('growingQuietBytes', 1, 2_000),
  limit('growingQuietRows', 1, 20),
  limit('growingQuietMs', 1, 100),
  limit('flushQuietMs', 1, 1_000),
  limit('flushPatienceMs', 1, 100),
  limit('unflushedSegmentsMax', 0, 1),
  limit('walInFlightBytesMax', 1, 1_000),
  limit('walInFlightRecordsMax', 1, 3),
  limit('indexRowsMin', 1, 16, 100),
  limit('segmentBytesMax', 500, 20_000),
  limit('resultRowsMax', 1_000),
  limit('retentionMs', 500, 5_000, 30_000),
  limit('readsUnderWayMax', 1, 2),
  limit('writesUnderWayMax', 1, 2),
  of('streaming-node/src/wal/hybrid-clock.ts', 'WINDOW_MS', 2_000, 60_000),
  of('streaming-node/src/wal/hybrid-clock.ts', 'WINDOW_MARGIN_MS', 1, 1_000),
  of(`${SHARD}/flush.ts`, 'DELTAS_PER_COMMIT', 1, 2),
  of(`${SHARD}/flush.ts`, 'FOLD_SHARE', 0.001, 0.05),
  of(`${SHARD}/projected-keys.ts`, 'KEYS_PER_TURN', 1, 3),
  of(`${SHARD}/projected-keys.ts`, 'FORGET_KEYS_MAX', 0, 2),
  of(`${SHARD}/recover.ts`, 'KEYS_PER_TURN', 1, 3),
  of(`${SHARD}/recover.ts`, 'LOADS_MAX', 1, 50),
  of(`${SHARD}/admission.ts`, 'ROOM_WAIT_MS', 1, 50),
  of(`${SHARD}/admission.ts`, 'RETRY_AFTER_MS', 1, 3_000),
  of(`${SHARD}/admission.ts`, 'QUEUE_BYTES_MAX', 2_000, 20_000),
  of(`${SHARD}/adopt.ts`, 'ROWS_PER_TURN', 1, 3),
  of(`${SHARD}/delete-fold.ts`, 'DELETES_PER_TURN', 1, 2),
  of(`${SHARD}/shard.ts`, 'LAST_FLUSH_BYTES', 0, 1_000),
  of('streaming-node/src/delegator/reads.ts', 'AHEAD_MS_MAX', 0, 50),
  of('streaming-node/src/delegator/search-batch.ts', 'QUERIES_MAX', 1, 2),
  of('streaming-node/src/delegator/search-batch.ts', 'LOOKED_AT_MAX', 1, 2),
  of('coordinator/src/build-plan.ts', 'RUN_MIN', 2, 3),
  of('coordinator/src/build-plan.ts', 'IDLE_GROWTH', 1, 1.01),
  of('coordinator/src/coordinator.ts', 'SWEEP_AFTER_MS', 500, 5_000),
  of('coordinator/src/coordinator.ts', 'GRACE_MS', 200, 2_000),
  of('coordinator/src/jobs.ts', 'QUIET_MS', 0, 20),
  of('coordinator/src/jobs.ts', 'FOLD_LOOK_MS', 10, 1_000),
  of('coordinator/src/jobs.ts', 'IDLE_MS', 0, 100),
  of('coordinator/src/jobs.ts', 'WAITING_MS_MAX', 0, 200),
  of('coordinator/src/jobs.ts', 'WAITING_BYTES_MAX', 0, 2_000),
  of('coordinator/src/jobs.ts', 'ATTEMPTS_MAX', 1, 2),
  of('coordinator/src/jobs.ts', 'REST_MS', 10, 1_000),
  of('coordinator/src/compactions.ts', 'ENDED_MAX', 0, 1),
  of('data-node/src/merge-scalars.ts', 'FIXED_BYTES', 1, 64),
  of('segment/src/read-runner.ts', 'INLINE_WORK_MAX', 0, 50),
  of('segment/src/read-runner.ts', 'INLINE_FILTER_ROWS_MAX', 0, 3),
  of('segment/src/read-runner.ts', 'INLINE_SELECT_ROWS_MAX', 0, 3),
  of('segment/src/read-runner.ts', 'LOOKUP_ROWS', 0, 2),
  of('segment/src/growing-filters.ts', 'CATCH_UP_ROWS', 0, 5),
  of('segment/src/growing-filters.ts', 'FILTERS_MAX', 0, 1),
  of('segment/src/growing.ts', 'CHUNK_ROWS_MIN', 1, 8),
  of('segment/src/growing.ts', 'CODED_ROWS_MIN', 1, 8),
  of('segment/src/key-table.ts', 'PART_CAPACITY_MIN', 4, 8),
  of('query-node/src/filter-results.ts', 'ENTRIES_MAX', 0, 1),
  of('query-node/src/filter-results.ts', 'USES_MIN', 1),
  of('proxy/src/request-filter.ts', 'KNOWN_MAX', 0, 1),
  of('proxy/src/writes.ts', 'DELETE_PAGE_ROWS', 1, 3),
  of('proxy/src/writes.ts', 'KEYS_PER_TURN', 1, 3),
  of('proxy/src/access.ts', 'SCHEMA_FRESH_MS', 0, 20_000),
  of('client/src/retry.ts', 'FIRST_DELAY_MS', 1, 500),
  of('expr/src/read.ts', 'KNOWN_MAX', 0, 1),
  of('storage/src/log/segment.ts', 'PLACE_EVERY_BYTES', 64, 1_000),
  of('storage/src/log/frame-reader.ts', 'READ_BYTES', 1_100_000),
  of('storage/src/object/files.ts', 'CHUNK_BYTES', 512, 4_096),
  of('format/src/scalar-reader.ts', 'CHECK_BYTES', 64, 1_000),
];

/** What a switch is called: by its file and its constant. */
const idOf = ({ file, name }: Switch): string => `${file.replace(/^.*\/|\.ts$/g, '')}.${name}`;

/** All of them by name. */
export const SWITCHES: ReadonlyMap<string, Switch> = new Map(ALL.map((one) => [idOf(one), one]));

/** Values by the names of switches. */
export type Switched = Readonly<Record<string, number>>;

let switched: Switched = {};
let hit = new Set<string>();

/** Sets them, until they are set again. */
export function switchPaths(to: Switched): void {
  switched = to;
  hit = new Set();
}

/** Names of those that were set last and that the product has come by since. */
export function pathsTaken(): ReadonlySet<string> {
  return hit;
}

/** Half of the seeds have none. */
export function switchesOf(rng: SeededRng): Switched {
  if (rng.chance(0.5)) return {};
  const chosen: Record<string, number> = {};
  for (const [id, { to }] of SWITCHES) if (rng.chance(0.2)) chosen[id] = rng.pick(to);
  return chosen;
}

/** What the product sees of a constant. */
function valueOf(id: string, otherwise: number): number {
  const value = switched[id];
  if (value === undefined) return otherwise;
  hit.add(id);
  return value;
}

/** A source whose constants ask for their values. @throws Error when one is not there any more */
export function withSwitches(source: string, switches: readonly Switch[]): string {
  return switches.reduce((text, one) => {
    const { name, file } = one;
    const ask = (otherwise: string): string => `rarePath('${idOf(one)}', ${otherwise})`;
    const isProperty = file === 'core/src/limits.ts';
    const line = isProperty
      ? new RegExp(`^  ${name}: (.*),$`, 'm')
      : new RegExp(`^((?:export )?const )${name}( = .*;)$`, 'm');
    if (!line.test(text)) throw new Error(`${file} has no ${name}`);
    if (isProperty)
      return text.replace(line, (_, value: string) => `  get ${name}() { return ${ask(value)}; },`);
    const kept = text.replace(line, (_, head: string, tail: string) => `${head}${name}${tail}`);
    const own = (part: string): boolean => line.test(part);
    return kept
      .split('\n')
      .map((part) => {
        if (own(part) || /^import |^export \{/.test(part)) return part;
        return part.replace(new RegExp(`\\b${name}\\b(?!:)`, 'g'), ask(name));
      })
      .join('\n');
  }, source);
}

/** Hooks that plant the switches; behind those of a mutant, whose texts are of the source. */
export function plantSwitches(): RegisterHooksOptions {
  Reflect.set(globalThis, 'rarePath', valueOf);
  const byFile = Map.groupBy(ALL, ({ file }) => `/packages/${file}`);
  return {
    load: (url, context, next) => {
      const loaded = next(url, context);
      const own = [...byFile].find(([file]) => url.endsWith(file))?.[1];
      if (own === undefined) return loaded;
      return { ...loaded, source: withSwitches(String(loaded.source), own) };
    },
  };
}
