import { defineCommand } from 'citty';
import { usageError } from './failure.ts';
import { jsonLine } from './json-value.ts';
import { listOf } from './read-args.ts';
import { note, print, styled } from './terminal.ts';

/** `elanus serve`: a folder, or memory alone, behind HTTP. */
export const serve = defineCommand({
  meta: { name: 'serve', description: 'Serve a folder, or memory alone, over HTTP' },
  args: {
    folder: {
      type: 'positional',
      description: 'Folder, or :memory: for one that keeps nothing',
      default: './data',
    },
    host: { type: 'string', description: 'Address to listen on', default: '127.0.0.1' },
    port: { type: 'string', description: 'Port; 0 takes a free one', default: '19530' },
    token: {
      type: 'string',
      description: 'Bearer token callers must show (ELANUS_TOKEN)',
      valueHint: 'token',
    },
    cors: {
      type: 'string',
      description:
        'Origins of web pages that may call, with commas; * = all, with a token (ELANUS_CORS)',
      valueHint: 'https://app.example',
    },
    json: { type: 'boolean', description: 'Print JSON', default: false },
  },
  run: async ({ args }) => {
    const { folder, host, json } = args;
    if (!/^\d{1,5}$/.test(args.port)) throw usageError('--port takes a number from 0 to 65535.');
    const token = args.token ?? process.env['ELANUS_TOKEN'];
    const cors = listOf(args.cors ?? process.env['ELANUS_CORS'] ?? '');
    const { serve: startServer } = await import('../serve.ts');
    const server = await startServer(folder, { host, port: Number(args.port), token, cors });
    const { url } = server;
    if (json) print(jsonLine({ url, folder, pid: process.pid }));
    else {
      print(`Elanus serves ${styled('bold', folder)} at ${styled('cyan', url)}`);
      print(
        token === undefined || token === ''
          ? 'Callers on this machine need no token. Ctrl-C stops it.'
          : 'Callers show the token. Ctrl-C stops it.',
      );
      const { kernelsNote } = await import('./kernels-note.ts');
      kernelsNote();
    }
    await signalled();
    if (!json) note('Finishing the calls under way.');
    await server.stop();
  },
});

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let seen = false;
    const stop = (): void => {
      if (seen) process.exit(130);
      seen = true;
      resolve();
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
  });
}
