import { ElanusError } from '@elanus/core';

/** What is known about a fault in a filter. */
export interface Fault {
  readonly position?: number | undefined;
  readonly field?: string | undefined;
  readonly hint?: string | undefined;
}

/** The error every unusable filter ends in; undefined details are left out. */
export function filterInvalid(why: string, fault: Fault = {}): ElanusError<'filter_invalid'> {
  return new ElanusError('filter_invalid', { why, ...fault });
}
