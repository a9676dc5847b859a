/** A database in a simulated process: opened, and asked for what came of it. */
import { connect, type Db } from '../../packages/client/src/index.ts';
import { isElanusError } from '../../packages/core/src/index.ts';
import { startEmbedded } from '../../packages/elanus/src/embedded.ts';
import type { OpenWorld } from '../../packages/runtime/src/index.ts';
import type { EventLoop, SimMachine } from '../../packages/testkit/src/index.ts';

/** Calls of clients are given up after so long. */
export const TIMEOUT_MS = 5_000;

/** An open database and the process it lives in. */
export interface Life {
  readonly world: OpenWorld;
  readonly db: Db;
}

/**
 * Boots the machine and opens its database; `booting` hears how far its calendar is ahead.
 * @throws what opening throws
 */
export async function openLife(
  machine: SimMachine,
  loop: EventLoop,
  booting: (aheadMs: number) => void = () => undefined,
): Promise<Life> {
  const world = await machine.boot(booting);
  const database = await startEmbedded({ world, durability: 'power', kernels: 'auto' });
  const { clock, rng } = world;
  const platform = {
    random: (length: number) => rng.bytes(length),
    nowMs: () => clock.wallMs(),
    sleep: (ms: number): Promise<void> => loop.sleep(ms, 'client waits'),
  };
  return { world, db: connect(database, { platform, timeoutMs: TIMEOUT_MS }) };
}

/** A failure as the trace has it. */
export function nameOf(error: unknown): string {
  return isElanusError(error) ? error.code : String(error);
}

/** Whether a failure is one that users may see. */
export function isTyped(error: unknown): boolean {
  return isElanusError(error) && error.code !== 'internal';
}

/** Whether a failure says that what was stored cannot be read: never the fault of a lost call. */
export function isDamage(error: unknown): boolean {
  return isElanusError(error) && /corrupt|regressed|truncated/.test(error.code);
}
