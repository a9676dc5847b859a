export { startEmbedded, type EmbeddedOptions } from './embedded.ts';
export { VERSION } from './version.ts';
