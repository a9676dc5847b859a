// Goal: what is no whole dimension in bounds is refused, whatever JavaScript makes of it.
import { isElanusError, type FieldDefinition } from '@elanus/core';
import { expect, test } from 'vitest';
import { checkField } from './definition.ts';

function codeOf(dim: unknown, vectorType: FieldDefinition['vectorType'] = 'float32'): string {
  try {
    checkField({ name: 'vec', type: 'vector', vectorType, dim: dim as number });
    return 'ok';
  } catch (error) {
    return isElanusError(error) ? error.code : String(error);
  }
}

test('dimensions', () => {
  for (const dim of [1, 768, 32_768]) expect(codeOf(dim)).toBe('ok');
  for (const dim of [undefined, null, 0, -8, 1.5, Number.NaN, Infinity, '8', [8], 32_769]) {
    expect(codeOf(dim)).toBe('limit_out_of_range');
  }
  for (const dim of [8, 262_144]) expect(codeOf(dim, 'binary')).toBe('ok');
  for (const dim of [0, 7, 12, '8', 262_152]) {
    expect(codeOf(dim, 'binary')).toBe('limit_out_of_range');
  }
});
