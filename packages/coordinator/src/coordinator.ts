/**
 * The coordinator: the only writer of metadata. Catalog, ownership, commits, ids, timestamps, build
 * jobs and garbage, each in a room of its own; here they are put together and given their calls.
 */
import { ElanusError } from '@elanus/core';
import {
  aliasCollection,
  alterCollection,
  cancelCompaction,
  commitBuild,
  commitFlush,
  compactCollection,
  createCollection,
  describeCompaction,
  describeJobs,
  dropCollection,
  leaseIds,
  listCollections,
  META_FORMAT,
  metaKeys,
  ownChannel,
  renameCollection,
  reportIndexLost,
  resolveCollection,
  saveLogSpan,
  saveTimestampWindow,
  serveCall,
  setIndex,
} from '@elanus/protocol';
import type { Fence, World } from '@elanus/runtime';
import { Catalog } from './catalog.ts';
import { Drops } from './drops.ts';
import { saveWindow, takeNumbers } from './counters.ts';
import { Jobs } from './jobs.ts';
import { MetaAccess, put } from './meta-access.ts';
import { Segments } from './segments.ts';
import { sweepObjects, sweepRecords } from './sweep.ts';

/** What a coordinator is made of. */
export interface CoordinatorOptions {
  readonly world: Pick<World, 'bus' | 'clock' | 'rng' | 'meta' | 'objects'>;
  /**
   * Holds in the metadata while we lead: every transaction compares it. Undefined: nobody else can
   * open the stores, and the first sweep takes everything unreferenced.
   */
  readonly fence?: Fence | undefined;
}

/** A running coordinator. */
export interface Coordinator {
  /** Cancels jobs and stops answering. */
  stop(): Promise<void>;
}

/** Unreferenced objects, and records of dropped segments, are kept this long. */
const GRACE_MS = 10 * 60_000;
/** A sweep follows a change of the segment set after this. */
const SWEEP_AFTER_MS = 60_000;

/** Starts coordinating. @throws ElanusError format_too_new */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { bus, clock, rng, objects } = options.world;
  const { fence } = options;
  const name = Buffer.from(rng.bytes(8)).toString('hex');
  const meta = new MetaAccess(options.world.meta, { name, fence });
  await checkFormat(meta);
  if (fence === undefined) {
    // Nobody has the channel: nobody has to be told.
    await sweepRecords(meta, { droppedBeforeMs: clock.wallMs(), isDropped: () => true });
    await sweepObjects({ meta, objects }, { wallMs: clock.wallMs(), graceMs: 0 });
  }
  const wallMs = (): number => clock.wallMs();
  const catalog = new Catalog(meta, bus, wallMs);
  const segments = new Segments(meta, catalog, wallMs);
  const jobs = new Jobs({ meta, catalog, segments, bus, clock, rng });
  const drops = new Drops({ meta, bus, clock });
  const sweeper = new Sweeper(options.world, { meta, drops, jobs });
  const ends = [
    ...serveCatalog(bus, catalog, async (collectionId) => {
      jobs.dropped(collectionId);
      await drops.dropped(collectionId);
      sweeper.soon();
    }),
    ...serveSegments(bus, segments, { jobs, sweeper }),
    ...serveJobs(bus, catalog, jobs),
    serveCall(bus, setIndex, async ({ header }) => {
      const schema = await catalog.setIndex(header.name, header.field, header.index);
      jobs.kick();
      return { header: { schema } };
    }),
    serveCall(bus, leaseIds, async ({ header }) => {
      return { header: { from: await takeNumbers(meta, 'id', header.count) } };
    }),
    serveCall(bus, saveTimestampWindow, async ({ header }) => {
      return { header: { untilMs: await saveWindow(meta, header) } };
    }),
  ];
  if (fence !== undefined) {
    drops.kick();
    sweeper.soon();
  }
  return {
    stop: async () => {
      sweeper.stop();
      await drops.stop();
      await jobs.stop();
      for (const end of ends) end();
    },
  };
}

async function checkFormat(meta: MetaAccess): Promise<void> {
  const held = await meta.get<{ readonly version: number }>(metaKeys.format);
  if (held === undefined) {
    await meta.txn(
      [{ key: metaKeys.format, exists: false }],
      [put(metaKeys.format, { version: META_FORMAT })],
    );
    return;
  }
  const { version } = held.record;
  if (version <= META_FORMAT) return;
  throw new ElanusError('format_too_new', { what: 'metadata', version, supported: META_FORMAT });
}

type Bus = World['bus'];

function serveJobs(bus: Bus, catalog: Catalog, jobs: Jobs): (() => void)[] {
  const { compactions } = jobs;
  return [
    serveCall(bus, describeJobs, ({ header }) => {
      return { header: { jobs: jobs.jobsOf(header.collectionId) } };
    }),
    serveCall(bus, compactCollection, async ({ header }) => {
      return { header: await compactions.begin(await catalog.resolve(header.name)) };
    }),
    serveCall(bus, describeCompaction, async ({ header }) => {
      return { header: await compactions.describe(header.id, header.waitMs) };
    }),
    serveCall(bus, cancelCompaction, async ({ header }) => {
      return { header: await compactions.cancel(header.id) };
    }),
  ];
}

function serveCatalog(
  bus: Bus,
  catalog: Catalog,
  onDrop: (collectionId: number) => Promise<void>,
): (() => void)[] {
  return [
    serveCall(bus, createCollection, async ({ header }) => {
      return { header: await catalog.create(header.name, header.definition) };
    }),
    serveCall(bus, resolveCollection, async ({ header }) => {
      return { header: { schema: await catalog.resolve(header.name) } };
    }),
    serveCall(bus, listCollections, async () => {
      return { header: { entries: await catalog.list() } };
    }),
    serveCall(bus, alterCollection, async ({ header }) => {
      return { header: { schema: await catalog.alter(header.name, header.change) } };
    }),
    serveCall(bus, renameCollection, async ({ header }) => {
      return { header: { schema: await catalog.rename(header.name, header.to) } };
    }),
    serveCall(bus, aliasCollection, async ({ header }) => {
      await catalog.alias(header.alias, header.to);
      return { header: {} };
    }),
    serveCall(bus, dropCollection, async ({ header }) => {
      const collectionId = await catalog.drop(header.name);
      await onDrop(collectionId);
      return { header: { collectionId } };
    }),
  ];
}

function serveSegments(
  bus: Bus,
  segments: Segments,
  after: { readonly jobs: Jobs; readonly sweeper: Sweeper },
): (() => void)[] {
  return [
    serveCall(bus, ownChannel, async ({ header }) => {
      const own = await segments.own(header.pchannel, header.owner);
      after.jobs.kick();
      return { header: own };
    }),
    serveCall(bus, saveLogSpan, async ({ header }) => {
      await segments.saveLogSpan(header);
      return { header: {} };
    }),
    serveCall(bus, commitFlush, async ({ header }) => {
      await segments.commitFlush(header);
      // The shard loads the segment first; the loop takes its turn after that.
      if (header.segment !== undefined) after.jobs.changed(header.collectionId, header.shard);
      return { header: {} };
    }),
    serveCall(bus, reportIndexLost, async ({ header }) => {
      await segments.forgetIndex(header);
      after.jobs.kick();
      return { header: {} };
    }),
    serveCall(bus, commitBuild, async ({ header }) => {
      await segments.commitBuild(header);
      after.sweeper.soon();
      return { header: {} };
    }),
  ];
}

/** Whose word a sweep goes by. */
interface SweptRooms {
  readonly meta: MetaAccess;
  readonly drops: Drops;
  readonly jobs: Jobs;
}

/** Sweeps once some time after the last change, never twice at once. */
class Sweeper {
  readonly #world: CoordinatorOptions['world'];
  readonly #rooms: SweptRooms;
  #cancel: (() => void) | undefined;
  #running = false;

  constructor(world: CoordinatorOptions['world'], rooms: SweptRooms) {
    this.#world = world;
    this.#rooms = rooms;
  }

  soon(afterMs: number = SWEEP_AFTER_MS): void {
    this.#cancel?.();
    this.#cancel = this.#world.clock.after(afterMs, () => void this.#sweep());
  }

  stop(): void {
    this.#cancel?.();
  }

  async #sweep(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { clock, objects } = this.#world;
    const { meta, drops, jobs } = this.#rooms;
    try {
      const wallMs = clock.wallMs();
      const isDropped = (id: number): boolean => drops.isKnown(id);
      await sweepRecords(meta, { droppedBeforeMs: wallMs - GRACE_MS, isDropped });
      const isWriting = (object: string): boolean => jobs.isWriting(object);
      const at = { wallMs, graceMs: GRACE_MS, isWriting };
      const { marked, young } = await sweepObjects({ meta, objects }, at);
      if (marked > 0) this.soon();
      else if (young > 0) this.soon(GRACE_MS);
    } catch {
      // Garbage stays for the next sweep; nothing depends on when it goes.
      this.soon();
    } finally {
      this.#running = false;
    }
  }
}
