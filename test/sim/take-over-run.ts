/**
 * One seed of several processes over one log, metadata and object store, which run all roles or one
 * each. One leads in a role, as coordinator or owner of the channel; it is killed, frozen for
 * longer than its lease, cut off, or asked to hand over, and another takes its place while what the
 * first had sent is still on its way. Clients talk to whichever process they know, and go on at
 * another when it refuses.
 */
import type { StandByState } from '../../packages/elanus/src/stand-by.ts';
import { flushShard, sendCall } from '../../packages/protocol/src/index.ts';
import type { OpenWorld } from '../../packages/runtime/src/index.ts';
import { EventLoop, SeededRng, SimCluster } from '../../packages/testkit/src/index.ts';
import type { PortCall, Server, SimNode, Way } from '../../packages/testkit/src/index.ts';
import { isLed, leaseKeysOf, play, type Player, type Role } from './cast.ts';
import { check, type Violation } from './checker.ts';
import { Client, type ClientContext } from './clients.ts';
import type { SeedResult } from './embedded-run.ts';
import { History } from './history.ts';
import { Lane } from './lane.ts';
import { lastLook } from './last-look.ts';
import { leaksOf } from './leaks.ts';
import { isDamage, isTyped, nameOf } from './life.ts';
import { Operators, type OperatorContext } from './operators.ts';
import { Sightings } from './rare.ts';
import { Remote, type Host } from './remote.ts';
import { NAME } from './rows.ts';
import { takeOverPlanOf, type TakeOverPlan, type Trouble } from './take-over-plan.ts';
import { TakeOverSightings } from './take-over-sightings.ts';

const HEALED_MS = 60_000;
/** What is late when all is healed is there by then. */
const SETTLED_MS = 5_000;
/** By then what is dropped is swept: it has to be old first, by calendars minutes apart. */
const SWEPT_MS = 30 * 60_000;
/** A process takes about so long to take over. */
const OPENING_MS = 200;
/** What is late arrives so long after another has begun to take over, at most. */
const LATE_MS = 800;
/** ... or so long after the other's Term. */
const SOON_MS = 60;

/** A machine with the process that runs on it. */
interface Seat {
  readonly node: SimNode;
  readonly role: Role;
  readonly remote: Remote;
  world: OpenWorld | undefined;
  player: Player | undefined;
  host: Host | undefined;
  state: StandByState;
  /** Lets go of what is stuck on its way from here. */
  release: () => void;
  /** Counts processes: what one that is gone says is not heard. */
  starts: number;
}

class Run {
  readonly #seed: number;
  readonly #plan: TakeOverPlan;
  readonly #rng: SeededRng;
  readonly #loop: EventLoop;
  readonly #cluster: SimCluster;
  readonly #seats: readonly Seat[];
  readonly #history = new History();
  readonly #sightings = new Sightings();
  readonly #rare: TakeOverSightings;
  readonly #found: Violation[] = [];
  readonly #operators: Operators;
  #reigns = 0;
  /** Of the collection, which its clients may know. */
  #changes = 0;
  #ending = false;

  constructor(seed: number, plan: TakeOverPlan) {
    this.#seed = seed;
    this.#plan = plan;
    this.#rng = new SeededRng(seed, 3);
    this.#loop = new EventLoop(new SeededRng(seed, 2));
    const { loop } = { loop: this.#loop };
    this.#rare = new TakeOverSightings(this.#sightings);
    this.#cluster = new SimCluster({
      loop,
      seed,
      nodes: plan.cast.length,
      faults: plan.faults,
      network: plan.network,
      hooks: (node) => ({
        strike: (call: PortCall): undefined => {
          if (call.call === 'append' && call.at === 'term') this.#tooLate(this.#seats[node]);
        },
        answered: (call: PortCall, outcome: string) => {
          this.#rare.answered(call, outcome);
          if (call.call === 'append' && call.at === 'term') this.#releaseOthers(node, SOON_MS);
        },
      }),
    });
    this.#seats = this.#cluster.nodes.map((node, i) => this.#seatOf(node, i));
    this.#operators = new Operators(this.#context(this.#lane(plan.clients + 1)));
  }

  #seatOf(node: SimNode, i: number): Seat {
    const seat: Seat = {
      node,
      role: this.#plan.cast[i] ?? 'all',
      remote: new Remote({
        loop: this.#loop,
        rng: new SeededRng(this.#seed, 40 + i),
        host: () => seat.host,
        onAnswer: (error) => this.#rare.refused(seat.state === 'leading', error),
      }),
      world: undefined,
      player: undefined,
      host: undefined,
      state: 'waiting',
      release: () => undefined,
      starts: 0,
    };
    return seat;
  }

  async result(): Promise<SeedResult> {
    const { shards, keys, clients } = this.#plan;
    let last: ReadonlyMap<number, number | undefined> = new Map();
    const end = await this.#loop.run(async () => {
      for (const seat of this.#seats) this.#start(seat);
      const lanes = Array.from({ length: clients }, (_, i) => this.#client(i));
      await Promise.all([...lanes, this.#flusher(), ...this.#operators.run(), this.#trouble()]);
      this.#cluster.heal();
      for (const seat of this.#seats) {
        seat.node.process?.thaw();
        seat.release();
      }
      // What was on its way to an owner arrives, and what it does is no news to who looks.
      await this.#loop.sleep(SETTLED_MS, 'settled');
      last = await this.#look();
      if (this.#plan.dropAll) await this.#dropAll();
      await this.#rare.lookAtLog(this.#cluster.logs);
    });
    const { writes, reads } = this.#history;
    if (writes.some(({ seenMs, outcome }) => outcome === 'unknown' && seenMs < Infinity)) {
      this.#sightings.see('unknown write seen');
    }
    return {
      ...end,
      seed: this.#seed,
      violations: [...this.#found, ...check(this.#history, { last, shards, keys })],
      reached: this.#sightings.reached,
      injected: this.#cluster.injected,
      acknowledged: writes.filter(({ outcome }) => outcome === 'ok').length,
      reads: reads.length,
      starts: this.#reigns,
    };
  }

  #start(seat: Seat): void {
    const number = this.#seats.indexOf(seat);
    const starts = ++seat.starts;
    this.#loop.note(`start ${number}`);
    const world = seat.node.boot();
    const { process } = seat.node;
    if (process === undefined) throw new Error('a process was booted');
    seat.world = world;
    seat.state = isLed(seat.role) ? 'waiting' : 'leading';
    seat.player = play(seat.role, {
      world,
      leaseMs: this.#plan.leaseMs,
      onChange: (state, why) => {
        if (starts === seat.starts) this.#changed(seat, state, why);
      },
    });
    const { database } = seat.player;
    seat.host = database && { process, database };
  }

  #changed(seat: Seat, state: StandByState, why: unknown): void {
    this.#loop.note(
      `${this.#seats.indexOf(seat)} ${state} ${why === undefined ? '' : nameOf(why)}`,
    );
    const others = this.#seats.filter((other) => other !== seat && other.role === seat.role);
    seat.state = state;
    if (state === 'leading') {
      this.#reigns++;
      this.#rare.leads(others.filter((other) => other.state === 'leading'));
    }
    if (state === 'opening' && this.#rng.chance(0.3)) {
      this.#releaseOthers(this.#seats.indexOf(seat), LATE_MS);
    }
    if (state === 'opening' && !this.#ending && this.#rng.chance(this.#plan.againShare)) {
      const whenMs = OPENING_MS * this.#rng.share();
      this.#loop.after(whenMs, 'trouble', () => this.#befallOpening(seat));
    }
    if (why === undefined) return;
    if (isDamage(why)) this.#say({ invariant: 'S1 readable', what: `opening: ${String(why)}` });
    else if (!isTyped(why)) this.#say({ invariant: 'L2 typed errors', what: String(why) });
  }

  async #trouble(): Promise<void> {
    const { stopsEveryMs, chaosMs, troubles } = this.#plan;
    const weights = Object.entries(troubles) as [Trouble, number][];
    const sum = weights.reduce((total, [, weight]) => total + weight, 0);
    while (this.#loop.nowMs < chaosMs) {
      await this.#loop.sleep(stopsEveryMs * 2 * this.#rng.share(), 'trouble');
      let left = this.#rng.share() * sum;
      const [what = 'freeze'] = weights.find(([, weight]) => (left -= weight) < 0) ?? [];
      const leading = this.#seats.filter(({ state }) => state === 'leading');
      const all = leading.length > 0 && this.#rng.chance(0.7) ? leading : this.#seats;
      this.#befall(this.#rng.pick(all), what);
    }
    this.#ending = true;
  }

  /** Something happens to a process while it takes over. */
  #befallOpening(seat: Seat): void {
    if (seat.state !== 'opening') return;
    const what = this.#rng.pick(['freeze', 'cut', 'cut from the log'] as const);
    this.#befall(seat, what, this.#plan.leaseMs);
  }

  /** The Term of a new owner is on its way while another takes over. */
  #tooLate(seat: Seat | undefined): void {
    if (seat === undefined || this.#ending || !this.#rng.chance(this.#plan.againShare / 2)) return;
    this.#loop.note(`too late ${this.#seats.indexOf(seat)}`);
    seat.release = seat.node.stick('log');
    this.#rob();
  }

  /** Something happens to a process, for `leastMs` or longer. */
  #befall(seat: Seat, what: Trouble, leastMs = this.#plan.leaseMs / 5): void {
    const number = this.#seats.indexOf(seat);
    this.#loop.note(`${what} ${number}`);
    const forMs = leastMs + this.#plan.leaseMs * 3 * this.#rng.share();
    this.#rare.befell(what, seat.state);
    const stick = (servers: readonly Server[]): (() => void) => {
      const ends = servers.map((server) => seat.node.stick(server));
      return () => ends.forEach((end) => end());
    };
    const part = (way: Way): void => {
      this.#loop.after(forMs, 'met again', seat.node.part(way));
    };
    if (what === 'freeze') seat.node.freeze(forMs);
    else if (what === 'rob') this.#rob();
    else if (what === 'late') seat.release = stick(['log', 'meta']);
    else if (what === 'cut from the log') this.#loop.after(forMs, 'mended', stick(['log']));
    else if (what === 'part') part(this.#rng.pick(['in', 'out', 'both'] as const));
    else if (what === 'cut') {
      this.#loop.after(forMs, 'mended', stick(['log', 'meta', 'objects']));
      part('both');
    } else {
      const { player } = seat;
      const ended = what === 'kill' ? Promise.resolve() : this.#handOver(player);
      void ended.then(() => this.#again(seat, player));
    }
  }

  /** What a former owner had sent arrives while another takes over. */
  #releaseOthers(node: number, withinMs: number): void {
    this.#seats.forEach((seat, i) => {
      if (i === node) return;
      this.#loop.after(withinMs * this.#rng.share(), 'late', () => seat.release());
    });
  }

  /** Stores have ended leases too early. */
  #rob(): void {
    const key = this.#rng.pick(leaseKeysOf(this.#plan.cast));
    void this.#cluster.meta.txn({ compare: [], then: [{ delete: key }] });
  }

  /** Asked to end; killed when that takes too long. */
  async #handOver(player: Player | undefined): Promise<void> {
    const closed = player?.close().catch(() => undefined);
    await Promise.race([closed, this.#loop.sleep(3_000, 'closing takes too long')]);
  }

  /** The process ends, and another is started in its place. */
  async #again(seat: Seat, player: Player | undefined): Promise<void> {
    if (seat.player !== player) return;
    seat.node.kill();
    seat.starts++;
    seat.state = 'waiting';
    seat.remote.reset();
    await this.#loop.sleep(this.#rng.below(2_000), 'restart');
    if (seat.player === player) this.#start(seat);
  }

  async #flusher(): Promise<void> {
    const rng = new SeededRng(this.#seed, 507);
    while (!this.#ending) {
      await this.#loop.sleep(this.#plan.flushEveryMs * (0.5 + rng.share()), 'flusher');
      for (const { role, state, world, node } of this.#seats) {
        const asks = role === 'proxy' || (role === 'all' && state === 'leading');
        if (!asks || world === undefined) continue;
        const header = { collectionId: 1, shard: rng.below(this.#plan.shards) };
        node.process?.enter(() => {
          void sendCall(world.bus, flushShard, { header }).catch(() => undefined);
        });
      }
    }
  }

  /** The way of the n-th client to the rows. */
  #lane(n: number): Lane {
    const answering = this.#seats.filter(({ role }) => role === 'all' || role === 'proxy');
    return new Lane({
      loop: this.#loop,
      rng: new SeededRng(this.#seed, 700 + n),
      remotes: answering.map(({ remote }) => remote),
      shards: this.#plan.shards,
      sightings: this.#sightings,
      changes: () => this.#changes,
      reigns: () => this.#reigns,
      say: (violation) => this.#say(violation),
    });
  }

  #context(lane: Lane): OperatorContext & ClientContext {
    return {
      seed: this.#seed,
      plan: this.#plan,
      loop: this.#loop,
      history: this.#history,
      sightings: this.#sightings,
      opened: () => lane.opened(),
      extras: () => this.#operators.extras,
      droppedMs: () => this.#operators.droppedMs,
      isEnding: () => this.#ending,
      isLed: () => this.#seats.some(isCatalog),
      lives: () => this.#reigns,
      reopened: () => {
        this.#changes++;
      },
      say: (violation) => this.#say(violation),
    };
  }

  async #client(n: number): Promise<void> {
    const rng = new SeededRng(this.#seed, 1_000 + n);
    const client = new Client(this.#context(this.#lane(n)), rng, n);
    while (!this.#ending) {
      await this.#loop.sleep(this.#plan.thinkMs * 2 * rng.share(), 'client');
      await client.act();
    }
  }

  async #look(): Promise<ReadonlyMap<number, number | undefined>> {
    const lane = this.#lane(this.#plan.clients);
    const untilMs = this.#loop.nowMs + HEALED_MS;
    while ((await lane.opened()) === undefined) {
      if (this.#loop.nowMs <= untilMs) continue;
      this.#say({ invariant: 'L1 healed', what: 'no rows' });
      return new Map();
    }
    return lastLook(this.#context(lane), this.#rng, HEALED_MS);
  }

  /** Nothing is left of what is dropped, once the sweeps have had their time. */
  async #dropAll(): Promise<void> {
    const { opened } = this.#context(this.#lane(this.#plan.clients + 2));
    const life = await opened();
    if (life === undefined) return this.#say({ invariant: 'L1 healed', what: 'no rows' });
    await life.db.drop(NAME);
    await this.#loop.sleep(SWEPT_MS, 'swept');
    const left = await leaksOf(this.#cluster);
    if (left.length === 0) return this.#sightings.see('nothing left of what was dropped');
    const what = `${left.length} left after a drop: ${left.slice(0, 5).join(', ')}`;
    this.#say({ invariant: 'S6 leak', what });
  }

  #say(violation: Violation): void {
    this.#found.push(violation);
  }
}

/** Whether a process answers for the catalog. */
function isCatalog({ role, state }: Seat): boolean {
  return (role === 'all' || role === 'coordinator') && state === 'leading';
}

/** Runs one seed from beginning to end; with a plan of its own, or another. */
export function runTakeOver(
  seed: number,
  plan: TakeOverPlan = takeOverPlanOf(seed),
): Promise<SeedResult> {
  return new Run(seed, plan).result();
}
