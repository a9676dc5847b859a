/** Databases in other processes, as clients reach them: over a network, and one after the other. */
import type { Call, Database } from '../../packages/api/src/index.ts';
import { ElanusError, isElanusError } from '../../packages/core/src/index.ts';
import type { EventLoop, SeededRng, SimProcess } from '../../packages/testkit/src/index.ts';
import { TIMEOUT_MS } from './life.ts';

const LATENCY_MS = 1;

/** A process that is asked. */
export interface Host {
  readonly process: SimProcess;
  readonly database: Database;
}

type Method = (...asked: unknown[]) => unknown;

/** A database whose methods are all `send`. */
function databaseOf(send: (name: string, asked: readonly unknown[]) => Promise<unknown>): Database {
  return new Proxy({} as Database, {
    get: (_, name) => {
      if (name === 'then') return undefined;
      return (...asked: unknown[]) => send(String(name), asked);
    },
  });
}

/** A machine as clients see it: whoever runs on it when a request arrives answers. */
export class Remote {
  readonly database: Database;
  readonly #loop: EventLoop;
  readonly #rng: SeededRng;
  readonly #host: () => Host | undefined;
  readonly #onAnswer: (error: unknown) => void;
  /** Requests that wait for an answer. */
  readonly #open = new Set<() => void>();

  constructor(options: {
    readonly loop: EventLoop;
    readonly rng: SeededRng;
    readonly host: () => Host | undefined;
    /** Told what each request was refused with; undefined: it was not. */
    readonly onAnswer: (error: unknown) => void;
  }) {
    this.#loop = options.loop;
    this.#rng = options.rng;
    this.#host = options.host;
    this.#onAnswer = options.onAnswer;
    this.database = databaseOf((name, asked) => this.#send(name, asked));
  }

  /** The process is gone: who waits for it is told. */
  reset(): void {
    for (const tell of this.#open) tell();
    this.#open.clear();
  }

  #send(name: string, asked: readonly unknown[]): Promise<unknown> {
    const { timeoutMs = TIMEOUT_MS } = (asked[1] as Call | undefined) ?? {};
    return new Promise((resolve, reject) => {
      const cancel = this.#loop.after(timeoutMs, 'client times out', () => {
        end(() => reject(new ElanusError('deadline_exceeded', { timeoutMs })));
      });
      const end = (how: () => void): void => {
        cancel();
        this.#open.delete(gone);
        how();
      };
      const answer = (how: () => void): void => {
        this.#loop.after(this.#latency(), 'answer', () => end(how));
      };
      const gone = (): void => {
        answer(() => reject(new ElanusError('unavailable', { what: 'the process' })));
      };
      this.#open.add(gone);
      this.#loop.after(this.#latency(), `request ${name}`, () => {
        const host = this.#host();
        if (host === undefined || !host.process.alive) return gone();
        host.process.enter(() => {
          this.#run(host, name, asked).then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error as Error)),
          );
        });
      });
    });
  }

  async #run({ database }: Host, name: string, asked: readonly unknown[]): Promise<unknown> {
    const method = Reflect.get(database, name) as Method;
    try {
      const value = await method(...asked);
      this.#onAnswer(undefined);
      return value;
    } catch (error) {
      this.#onAnswer(error);
      throw error;
    }
  }

  #latency(): number {
    return LATENCY_MS * 2 * this.#rng.share();
  }
}

const ELSEWHERE: ReadonlySet<string> = new Set(['moved', 'unavailable', 'deadline', 'not_ready']);

/** Told what a client meets on its way. */
export interface Roaming {
  moved(): void;
  refused(error: unknown): void;
}

/** A client's database: one machine, until that cannot answer; then the next one. */
export function roaming(remotes: readonly Remote[], first: number, told: Roaming): Database {
  let at = first;
  return databaseOf(async (name, asked) => {
    const to = at;
    const { database } = remotes[to % remotes.length] as Remote;
    try {
      return await (Reflect.get(database, name) as Method)(...asked);
    } catch (error) {
      told.refused(error);
      if (isElanusError(error) && ELSEWHERE.has(error.kind) && at === to) {
        at = to + 1;
        told.moved();
      }
      throw error;
    }
  });
}
