/**
 * Taking over the output of a build job. An index alone changes nothing that is visible: commit,
 * load, done. A merge moves rows: key table and deletes must follow them while writes go on, and
 * readers stay on the inputs until one assignment swaps the segment set. S4, S5.
 *
 *     move keys (sliced; deletes of moved rows go back to where they came from), drop expired ones
 *       -> fold the inputs' deletes into the output's -> commit -> swap -> release inputs
 *
 * Of inputs whose rows are all gone nothing is left: the output is not kept.
 */
import {
  assert,
  decodeColumns,
  ElanusError,
  fieldId,
  type Clock,
  type ObjectStore,
} from '@elanus/core';
import { decodeKeys, decodeManifest, encodeDeltaLog, type KeysFile } from '@elanus/format';
import {
  commitBuild,
  invoke,
  loadSegment,
  releaseSegment,
  sendCall,
  type SegmentRecord,
} from '@elanus/protocol';
import { DeleteLog, keyIn } from '@elanus/segment';
import type { Bus } from '@elanus/core';
import type { Distribution } from '../delegator/distribution.ts';
import { DeleteFold } from './delete-fold.ts';
import { rowsBefore } from './expired-rows.ts';
import { foldableOf, type Flusher } from './flush.ts';
import type { FlushedSegment, MovingRows, ShardState } from './state.ts';

/** What adoption needs. */
export interface AdoptContext {
  readonly state: ShardState;
  readonly bus: Bus;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly pchannel: string;
  readonly term: number;
  readonly flusher: Flusher;
  readonly distribution: Distribution;
}

/** A finished job's result. `origins` names the object that says where output rows came from. */
export interface BuildResult {
  readonly inputs: readonly { readonly segmentId: number; readonly manifest: string }[];
  readonly output: SegmentRecord;
  /** Rows of before were left out: they have expired; decimal. */
  readonly expiredBefore: string;
  readonly origins: string | undefined;
}

const ROWS_PER_TURN = 4_096;

/** See the file's header. */
export class BuildAdoption {
  readonly #context: AdoptContext;

  constructor(context: AdoptContext) {
    this.#context = context;
  }

  /**
   * Commits and uses a build. @throws ElanusError catalog_conflict when an input has changed
   * meanwhile: the output is garbage then, the planner plans again.
   */
  async adopt(result: BuildResult): Promise<void> {
    let failure: unknown;
    await this.#context.flusher.exclusive(async () => {
      try {
        if (result.origins === undefined) await this.#adoptIndex(result);
        else await this.#adoptMerge(result, result.origins);
      } catch (error) {
        failure = error;
      }
    });
    if (failure !== undefined) throw failure;
  }

  #inputs(result: BuildResult): FlushedSegment[] {
    return result.inputs.map(({ segmentId, manifest }) => {
      const segment = this.#context.state.segments.get(segmentId);
      if (segment?.state !== 'flushed' || segment.record.manifest !== manifest) {
        throw new ElanusError('catalog_conflict', { name: `segment ${segmentId}` });
      }
      return segment;
    });
  }

  async #commit(result: BuildResult, output: SegmentRecord): Promise<void> {
    const { state, bus, pchannel, term } = this.#context;
    const { collectionId, shard } = state;
    await invoke(bus, commitBuild, {
      header: { pchannel, term, collectionId, shard, inputs: result.inputs, output },
    });
  }

  async #adoptIndex(result: BuildResult): Promise<void> {
    const [input] = this.#inputs(result);
    assert(input !== undefined, 'an index is of one segment');
    const { delta, deltaSequence, firstDeleteAt, foldableAt } = input.record;
    const record = {
      ...result.output,
      deltaSequence,
      ...(delta && { delta }),
      ...(firstDeleteAt && { firstDeleteAt }),
      ...(foldableAt && { foldableAt }),
    };
    await this.#commit(result, record);
    await this.#context.flusher.load(record, input.deletes, input.deletesPersisted);
  }

  async #adoptMerge(result: BuildResult, originsName: string): Promise<void> {
    const { state, bus, objects, distribution } = this.#context;
    const inputs = this.#inputs(result);
    const { output } = result;
    const moving = readOrigins(await objects.get(originsName), output.segmentId);
    // Held until all is done: they have to go back also when nothing can be read any more.
    const keys = await this.#keysOf(output);
    const timestamps = await this.#load(output);
    state.moving = moving;
    try {
      await this.#moveKeys(keys, moving);
      const before = BigInt(result.expiredBefore);
      for (const input of inputs) await this.#dropKeys(input, rowsBefore(input, before));
      const fold = new DeleteFold(moving, inputs);
      await fold.catchUp(this.#context.clock);
      const persisted = fold.until(state.checkpointTimestamp);
      const record = await this.#withDelta(output, persisted);
      await this.#commit(result, record);
      // One turn: from here on readers, writers and deletes see the output only.
      const deletes = new DeleteLog();
      const all = fold.until(2n ** 64n - 1n);
      deletes.load(all.rows, all.timestamps);
      const { segmentId } = output;
      for (const input of inputs) state.segments.delete(input.segmentId);
      if (timestamps !== undefined) {
        state.segments.set(segmentId, {
          state: 'flushed',
          segmentId,
          record,
          deletes,
          deletesPersisted: persisted.rows.length,
          timestamps,
        });
      }
    } catch (error) {
      await this.#moveBack(keys, moving);
      throw error;
    } finally {
      state.moving = undefined;
    }
    distribution.replaced(() => {
      for (const { segmentId } of inputs) {
        void sendCall(bus, releaseSegment, { header: { segmentId } }).catch(() => undefined);
      }
    });
  }

  /** Loads a segment; gives the timestamps of its rows, nothing when it has none. */
  async #load(record: SegmentRecord): Promise<BigUint64Array | undefined> {
    if (record.rowCount === 0) return undefined;
    const { state, bus } = this.#context;
    const { bodies } = await invoke(bus, loadSegment, {
      header: { record, fields: state.schema.fields },
    });
    const [timestamps] = bodies;
    assert(timestamps instanceof BigUint64Array, 'a node answers with timestamps');
    return timestamps;
  }

  async #withDelta(
    output: SegmentRecord,
    log: { readonly rows: Uint32Array; readonly timestamps: BigUint64Array },
  ): Promise<SegmentRecord> {
    if (log.rows.length === 0) return output;
    const folder = output.manifest.slice(0, output.manifest.lastIndexOf('/') + 1);
    const delta = `${folder}${this.#context.flusher.attempt()}-delta-1.bin`;
    await this.#context.objects.put(delta, [encodeDeltaLog(log)]);
    return { ...output, delta, deltaSequence: 1, ...foldableOf(log, output) };
  }

  /** Points keys that stand in an input at their row in the output. */
  #moveKeys(keys: KeysFile, moving: MovingRows): Promise<void> {
    const { state } = this.#context;
    return this.#eachKey(keys, (key, row) => {
      const at = state.keys.get(key);
      if (at === undefined) return;
      if (at.segmentId !== moving.inputs[row] || at.row !== moving.rows[row]) return;
      state.keys.set(key, { segmentId: moving.outputId, row });
    });
  }

  /**
   * Takes the keys of a segment's first rows out of the table: they have expired, and are free
   * whether the commit succeeds or not.
   */
  async #dropKeys({ segmentId, record }: FlushedSegment, first: number): Promise<void> {
    if (first === 0) return;
    const { state } = this.#context;
    await this.#eachKey(await this.#keysOf(record), (key, row) => {
      if (row >= first) return;
      const at = state.keys.get(key);
      if (at === undefined || at.segmentId !== segmentId || at.row !== row) return;
      state.keys.delete(key);
      state.rowCount--;
    });
  }

  /** The commit failed: keys go back to the inputs, the output was never seen. */
  async #moveBack(keys: KeysFile, moving: MovingRows): Promise<void> {
    const { state, bus } = this.#context;
    const { outputId } = moving;
    await this.#eachKey(keys, (key, row) => {
      const at = state.keys.get(key);
      if (at === undefined || at.segmentId !== outputId || at.row !== row) return;
      state.keys.set(key, { segmentId: moving.inputs[row] ?? 0, row: moving.rows[row] ?? 0 });
    });
    await invoke(bus, releaseSegment, { header: { segmentId: outputId } });
  }

  async #keysOf({ manifest, rowCount }: SegmentRecord): Promise<KeysFile> {
    const { objects } = this.#context;
    const { name } = decodeManifest(await objects.get(manifest), manifest).keys;
    return decodeKeys(await objects.get(name), name, rowCount);
  }

  async #eachKey(
    { keys, rows }: KeysFile,
    visit: (key: bigint | string, row: number) => void,
  ): Promise<void> {
    const { clock } = this.#context;
    for (let i = 0; i < rows.length; i++) {
      visit(keyIn(keys, i), rows[i] ?? 0);
      if ((i + 1) % ROWS_PER_TURN === 0) await clock.turn();
    }
  }
}

const ORIGIN_INPUT = fieldId(1);
const ORIGIN_ROW = fieldId(2);

function readOrigins(bytes: Uint8Array, outputId: number): MovingRows {
  const batch = decodeColumns(bytes);
  const inputs = batch.columns.get(ORIGIN_INPUT);
  const rows = batch.columns.get(ORIGIN_ROW);
  assert(inputs?.kind === 'double' && rows?.kind === 'int32', 'origins were written by a job');
  return {
    outputId,
    inputs: Float64Array.from(inputs.values as Float64Array),
    rows: Uint32Array.from(rows.values as Int32Array),
  };
}
