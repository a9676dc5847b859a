import type { Call } from '@elanus/api';
import { ElanusError, isElanusError, type Awaitable } from '@elanus/core';
import type { Platform } from './platform.ts';

/** Deadline of a call that names none. */
export const TIMEOUT_MS = 30_000;
const FIRST_DELAY_MS = 25;
const LAST_DELAY_MS = 2_000;
/** The longest delay that timers take. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Kinds after which the same request can simply be sent again; a person frees disks and memory. */
const AGAIN: ReadonlySet<string> = new Set(['exhausted', 'unavailable', 'not_ready', 'moved']);

/** What a caller may say about one call. */
export interface CallSettings {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call, retries included; 30 s when absent. */
  readonly timeoutMs?: number | undefined;
}

/** How to run one request. */
export interface RetrySettings extends CallSettings {
  /** The request changes something: when its time is over, nobody knows whether it has. */
  readonly writes?: boolean | undefined;
}

/**
 * Runs a request until it succeeds, fails for good, or its time is over. Safe for writes because
 * every write carries an idempotency key: sent twice it has one effect. What is answered at once
 * is returned as it is, and what is refused at once is thrown.
 *
 * @throws the last failure; deadline_exceeded when time is over before the first answer, or while a
 * write is under way; invalid_argument.
 */
export function withRetries<T>(
  platform: Platform,
  settings: RetrySettings,
  send: (call: Call) => Awaitable<T>,
): Awaitable<T> {
  const timeoutMs = settings.timeoutMs ?? TIMEOUT_MS;
  const { signal, writes = false } = settings;
  if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)) {
    const hint = 'It is a number of milliseconds.';
    throw new ElanusError('invalid_argument', {
      argument: 'timeoutMs',
      got: String(timeoutMs),
      hint,
    });
  }
  const wholeMs = Math.min(timeoutMs, TIMER_MS_MAX);
  if (signal?.aborted === true) throw new ElanusError('cancelled', {}, { cause: signal.reason });
  if (wholeMs <= 0) throw new ElanusError('deadline_exceeded', { timeoutMs });
  // What is answered in this turn needs no deadline, and no look at the clock.
  let first: Awaitable<T>;
  try {
    first = send({ signal, timeoutMs: wholeMs });
  } catch (error) {
    return sendAgain(error, sendingOf(platform, { signal, writes, wholeMs, send }));
  }
  if (!(first instanceof Promise)) return first;
  return retried(first, sendingOf(platform, { signal, writes, wholeMs, send }));
}

function retried<T>(first: Promise<T>, sending: Sending<T>): Promise<T> {
  return first.catch((error: unknown) => sendAgain(error, sending));
}

function sendingOf<T>(
  platform: Platform,
  { wholeMs, ...sending }: Omit<Sending<T>, 'platform' | 'deadline'> & { readonly wholeMs: number },
): Sending<T> {
  return { ...sending, platform, deadline: platform.nowMs() + wholeMs };
}

interface Sending<T> {
  readonly platform: Platform;
  readonly signal: AbortSignal | undefined;
  readonly writes: boolean;
  readonly deadline: number;
  readonly send: (call: Call) => Awaitable<T>;
}

/** Sends again, until it succeeds or there is no sense or no time in it; `first` is what failed. */
async function sendAgain<T>(first: unknown, sending: Sending<T>): Promise<T> {
  const { platform, signal, writes, deadline, send } = sending;
  let last = first;
  for (let attempt = 0; ; attempt++) {
    const delay = delayAfter(last, attempt, platform);
    if (delay === undefined || platform.nowMs() + delay >= deadline) throw last;
    await platform.sleep(delay, signal).catch((cause: unknown) => {
      throw new ElanusError('cancelled', {}, { cause });
    });
    const left = deadline - platform.nowMs();
    if (left <= 0) throw last;
    try {
      return await send({ signal, timeoutMs: left });
    } catch (error) {
      // What went wrong before says more than that time was over while reading again. A write that
      // was sent again may have happened: what the attempt before said holds no more.
      if (isElanusError(error, 'deadline_exceeded')) throw writes ? error : last;
      last = error;
    }
  }
}

/** How long to wait before the next attempt; undefined when there is to be none. */
function delayAfter(error: unknown, attempt: number, platform: Platform): number | undefined {
  if (!isElanusError(error) || !AGAIN.has(error.kind)) return undefined;
  if (error.code === 'disk_full' || error.code === 'memory_budget') return undefined;
  const asked = (error.details as { readonly retryAfterMs?: unknown }).retryAfterMs;
  const backoff = Math.min(FIRST_DELAY_MS * 2 ** attempt, LAST_DELAY_MS);
  const jitter = 0.5 + (platform.random(1)[0] ?? 0) / 512;
  return Math.max(typeof asked === 'number' ? asked : 0, backoff * jitter);
}
