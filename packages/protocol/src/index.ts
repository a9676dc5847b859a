export type { Message, MessageHeader, MessageKind } from './message.ts';
export { MESSAGE_VERSION, decodeMessage, encodeHeader } from './message.ts';
