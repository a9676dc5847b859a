// Search behind a web handler. 64-bit keys do not fit into JSON's numbers: send them as text, and
// take text back: every place that wants a key takes its decimal digits.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { elanus, isElanusError, t } from 'elanus';

const db = await elanus(':memory:');
const items = await db.collection('items', {
  id: t.int64({ primary: true, as: 'string' }), // or as: 'bigint', with a replacer for JSON
  name: t.varchar({ maxLength: 64 }),
  vec: t.vector(2),
});
await items.insert([{ id: '9007199254740993', name: 'beyond 2^53', vec: [1, 0] }]);

const server = createServer(async (request, response) => {
  const id = new URL(request.url ?? '/', 'http://localhost').searchParams.get('like') ?? '';
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  try {
    const [hits] = await items.search({ ids: [id], limit: 5, signal: gone.signal });
    response.setHeader('content-type', 'application/json').end(JSON.stringify(hits));
  } catch (error) {
    const known = isElanusError(error);
    response.writeHead(known && error.kind === 'not_found' ? 404 : 400).end(String(error));
  }
}).listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo;
  const reply = await fetch(`http://127.0.0.1:${port}/?like=9007199254740993`);
  console.log(reply.status, await reply.text());
  server.close();
  await db.close();
});
