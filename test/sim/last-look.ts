import type { SeededRng } from '../../packages/testkit/src/index.ts';
import { Client, type ClientContext } from './clients.ts';
import { nameOf } from './life.ts';

/** What each key was found to have. */
type Found = ReadonlyMap<number, number | undefined>;

/**
 * Everything that is there when all is over: read in three ways, which have to agree. Nothing when
 * that takes longer than `withinMs`: then it is no healed database.
 */
export async function lastLook(
  context: ClientContext,
  rng: SeededRng,
  withinMs: number,
): Promise<Found> {
  const { loop, say } = context;
  const endedBy = loop.nowMs + withinMs;
  const late = loop.sleep(withinMs, 'healed in time').then(() => undefined);
  const looking = look(context, rng).catch((error: unknown) => nameOf(error));
  const done = await Promise.race([looking, late]);
  if (done === undefined || typeof done === 'string') {
    say({ invariant: 'L1 healed', what: `${done ?? 'no answer'} by ${endedBy}` });
    return new Map();
  }
  const { found, count } = done;
  const there = [...found].filter(([, tag]) => tag !== undefined).map(([id]) => id);
  const hits = done.hits.map(({ id }) => id).sort((a, b) => a - b);
  if (count !== there.length || hits.join() !== there.join()) {
    const missing = there.filter((id) => !hits.includes(id));
    const counts = `get finds ${there.length}, count ${count}, search ${hits.length}`;
    say({ invariant: 'R6 agree', what: `${counts}; it lacks ${missing.join()}` });
  }
  return found;
}

async function look(context: ClientContext, rng: SeededRng) {
  const { history, loop, plan, opened } = context;
  const all = Array.from({ length: plan.keys }, (_, id) => id);
  const { reads } = history;
  const before = reads.length;
  for (;;) {
    const life = await opened();
    if (life === undefined) return undefined;
    await new Client(context, rng).get(life, all);
    if (reads.length > before) {
      const found: Found = reads[before]?.found ?? new Map<number, number | undefined>();
      const count = await life.rows.count({ consistency: 'strong' });
      const search = { consistency: 'strong', vector: [0, 0, 0, 1], limit: 1_000 } as const;
      return { found, count, hits: await life.rows.search(search) };
    }
    await loop.sleep(100, 'last look');
  }
}
