/** Loaded when a server is opened: most programs have the database in them. */
export { httpTransport } from '@elanus/client';
