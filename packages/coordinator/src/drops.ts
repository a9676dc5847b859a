/**
 * Collections that were dropped, at those who own their channels: told until they know. An owner
 * that does not would keep rows in memory, and their records in the log, for good. What was dropped
 * stays in the catalog until then: the next coordinator goes on telling.
 */
import { ElanusError, type Bus, type Clock } from '@elanus/core';
import { dropShards, invoke, metaKeys, type CollectionRecord } from '@elanus/protocol';
import { mustOwn } from './channel-owner.ts';
import type { MetaAccess } from './meta-access.ts';

/** What drops work with. */
export interface DropsContext {
  readonly meta: MetaAccess;
  readonly bus: Bus;
  readonly clock: Clock;
}

/** An owner that does not answer is asked again after so long. */
const AGAIN_MS = 1_000;

/** See the file's header. */
export class Drops {
  readonly #context: DropsContext;
  /** Collections of which the owner knows. */
  readonly #known = new Set<number>();
  #running: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #ended = false;

  constructor(context: DropsContext) {
    this.#context = context;
  }

  /** Tells of one that has just been dropped; if that fails it is told again, later. */
  async dropped(collectionId: number): Promise<void> {
    try {
      await this.#tell(collectionId);
    } catch {
      this.#later();
    }
  }

  /** Whether its records can be forgotten. */
  isKnown(collectionId: number): boolean {
    return this.#known.has(collectionId);
  }

  /** Tells of all that were dropped, by whomever. */
  kick(): void {
    if (this.#ended) return;
    this.#running ??= this.#all().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#ended = true;
    this.#cancel?.();
    await this.#running;
  }

  async #all(): Promise<void> {
    try {
      const records = await this.#context.meta.range<CollectionRecord>(metaKeys.collections);
      for (const { record } of records) {
        const { collectionId } = record.schema;
        if (record.state !== 'dropped' || this.#known.has(collectionId)) continue;
        await this.#tell(collectionId);
      }
    } catch {
      this.#later();
    }
  }

  #later(): void {
    this.#cancel?.();
    if (!this.#ended) this.#cancel = this.#context.clock.after(AGAIN_MS, () => this.kick());
  }

  /** @throws ElanusError unavailable, channel_moved */
  async #tell(collectionId: number): Promise<void> {
    const { bus, meta } = this.#context;
    if (this.#ended) throw new ElanusError('handle_closed', {});
    const { header } = await invoke(bus, dropShards, { header: { collectionId } });
    await mustOwn(meta, header);
    this.#known.add(collectionId);
  }
}
