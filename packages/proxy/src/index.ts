export {
  startHttpServer,
  type HttpLimits,
  type HttpServer,
  type HttpServerOptions,
  type HttpTimeouts,
} from './http-server.ts';
export { createProxy, type ProxyOptions } from './proxy.ts';
