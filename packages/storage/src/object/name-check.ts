import { ElanusError } from '@elanus/core';

const NAME = /^[A-Za-z0-9._-]{1,128}(\/[A-Za-z0-9._-]{1,128})*$/;

/** Refuses names that some store cannot hold, or that would leave the folder. */
export function checkObjectName(name: string): void {
  const dots = name.split('/').some((part) => part === '.' || part === '..');
  if (name.length <= 512 && NAME.test(name) && !dots) return;
  throw new ElanusError('invalid_argument', {
    argument: 'object name',
    expected: 'segments of [A-Za-z0-9._-] with / between, at most 512 characters',
    got: name.slice(0, 80),
  });
}
