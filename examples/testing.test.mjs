// Tests against the real thing: ':memory:' opens in a few milliseconds and leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elanus, isElanusError, t } from 'elanus';

const fields = { id: t.id(), text: t.varchar({ maxLength: 100 }), vec: t.vector(2) };

test('finds what lies nearest', async () => {
  const db = await elanus(':memory:');
  const notes = await db.collection('notes', fields);
  await notes.insert([
    { text: 'east', vec: [1, 0] },
    { text: 'north', vec: [0, 1] },
  ]);
  const [hit] = await notes.search({ vector: [0.9, 0.2], limit: 1 });
  assert.equal(hit?.text, 'east');
  await db.close();
});

test('refuses a vector of the wrong length', async () => {
  const db = await elanus(':memory:');
  const notes = await db.collection('notes', fields);
  await assert.rejects(
    notes.insert([{ text: 'up', vec: [0, 0, 1] }]),
    (error) => isElanusError(error, 'dimension_mismatch') && error.details.row === 0,
  );
  await db.close();
});
