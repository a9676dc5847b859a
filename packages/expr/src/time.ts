import { filterInvalid } from './failure.ts';

const DATE = '([+-]\\d{6}|\\d{4})-(\\d\\d)-(\\d\\d)';
const CLOCK = '(?:[Tt ](\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d{1,9}))?)?)?';
const OFFSET = '([Zz]|[+-]\\d\\d:?\\d\\d)?';
const ISO = new RegExp(`^${DATE}${CLOCK}${OFFSET}$`);

/**
 * Milliseconds since the epoch of an ISO 8601 instant; without an offset it is UTC, so that the
 * machine's zone never matters. Digits below the millisecond are cut. Undefined when unreadable.
 */
export function parseInstant(text: string): number | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day] = [part(1), part(2), part(3)];
  const [hour, minute, second] = [part(4), part(5), part(6)];
  const millis = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  if (hour > 23 || minute > 59 || second > 59 || match[1] === '-000000') return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offset = offsetMinutes(match[8] ?? 'Z');
  if (offset === undefined) return undefined;
  const clock = ((hour * 60 + minute - offset) * 60 + second) * 1000 + millis;
  const ms = date.getTime() + clock;
  return Math.abs(ms) <= 8.64e15 ? ms : undefined;
}

function offsetMinutes(text: string): number | undefined {
  if (text === 'Z' || text === 'z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(-2));
  if (hours > 23 || minutes > 59) return undefined;
  return (text[0] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

const DAYS = '(?:(\\d{1,9})W)?(?:(\\d{1,9})D)?';
const HOURS = '(?:(\\d{1,9})H)?(?:(\\d{1,9})M)?(?:(\\d{1,9})(?:\\.(\\d{1,3}))?S)?';
const DURATION = new RegExp(`^P${DAYS}(?:T${HOURS})?$`);

/**
 * Milliseconds of an ISO 8601 duration of fixed length (weeks to seconds).
 *
 * @throws filter_invalid for months and years, whose length depends on the date.
 */
export function parseDuration(text: string, position: number): number {
  const match = DURATION.exec(text);
  if (match === null || text === 'P' || text.endsWith('T')) {
    throw filterInvalid('an interval cannot be read', {
      position,
      hint: "Write weeks to seconds as in 'P1DT2H'; months and years have no fixed length.",
    });
  }
  const part = (index: number): number => Number(match[index] ?? 0);
  const hours = (part(1) * 7 + part(2)) * 24 + part(3);
  const millis = Number((match[6] ?? '').padEnd(3, '0'));
  return (hours * 60 + part(4)) * 60_000 + part(5) * 1000 + millis;
}
