export { createProxy, type ProxyOptions } from './proxy.ts';
