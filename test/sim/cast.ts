/** What processes of a seed run: all roles, one of which leads, or one role each. */
import type { Database } from '../../packages/api/src/index.ts';
import { LEADER_KEY, startContender } from '../../packages/elanus/src/contender.ts';
import {
  CHANNEL_KEY,
  COORDINATOR_KEY,
  startCoordinatorService,
  startDataService,
  startProxyService,
  startStreamingService,
} from '../../packages/elanus/src/services.ts';
import type { StandByState } from '../../packages/elanus/src/stand-by.ts';
import type { OpenWorld } from '../../packages/runtime/src/index.ts';

/** `all`: everything, while it leads. */
export type Role = 'all' | 'coordinator' | 'streaming' | 'data' | 'proxy';

/** What plays a role. */
export interface Player {
  /** Answers clients; undefined: others do. */
  readonly database: Database | undefined;
  close(): Promise<void>;
}

/** How it is played. */
export interface PlayOptions {
  readonly world: OpenWorld;
  readonly leaseMs: number;
  /** Told by those of which one leads. */
  readonly onChange: (state: StandByState, why?: unknown) => void;
}

/** Starts a role. */
export function play(role: Role, options: PlayOptions): Player {
  const { world } = options;
  const played = { ...options, kernels: 'auto', durability: 'power' } as const;
  switch (role) {
    case 'all': {
      const { database } = startContender(played);
      return { database, close: () => database.close() };
    }
    case 'coordinator':
      return { database: undefined, ...startCoordinatorService(played) };
    case 'streaming':
      return { database: undefined, ...startStreamingService(played) };
    case 'data': {
      const stop = startDataService(played);
      return { database: undefined, close: async () => stop() };
    }
    case 'proxy': {
      const database = startProxyService({ world, kernels: 'auto' });
      return { database, close: () => database.close() };
    }
  }
}

/** Keys that say who leads. */
export function leaseKeysOf(cast: readonly Role[]): readonly string[] {
  return cast.includes('all') ? [LEADER_KEY] : [COORDINATOR_KEY, CHANNEL_KEY];
}

/** Whether one of several leads in a role. */
export function isLed(role: Role): boolean {
  return role !== 'data' && role !== 'proxy';
}
