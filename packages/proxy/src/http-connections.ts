/**
 * Who owes whom on each connection, so that a server that stops waits for answers and for nothing
 * else. Node counts a connection as busy until the request has arrived whole, and one that never
 * sent anything as busy too; a caller who was refused by the headers alone, or who only dialled,
 * would hold the server until its grace is over.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

interface Connection {
  /** Requests whose headers are here and whose answer is not written yet. */
  calls: number;
  /** Sweeps since the last answer. */
  quiet: number;
}

/** The connections of one server and the calls under way on them. */
export class Connections {
  readonly #open = new Map<Socket, Connection>();

  /** Follows every connection of a server. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      this.#open.set(socket, { calls: 0, quiet: 0 });
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  /** A request has begun; it ends when its answer is written or its caller gone. */
  begin(req: IncomingMessage, res: ServerResponse): void {
    const connection = this.#open.get(req.socket);
    if (connection === undefined) return;
    connection.calls++;
    res.once('close', () => {
      connection.calls--;
      connection.quiet = 0;
    });
  }

  /**
   * Hangs up on connections that owed no answer at this and the last `sweeps` calls of it. The
   * pause lets a caller who is still sending read the refusal: hanging up on unread bytes can take
   * away what was written before.
   */
  sweep(sweeps: number): void {
    for (const [socket, connection] of this.#open) {
      if (connection.calls > 0) continue;
      if (connection.quiet++ >= sweeps) socket.destroy();
    }
  }
}
