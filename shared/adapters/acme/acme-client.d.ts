// The two modules of acme-client 5.4.0 below its `Client`, which are untyped. They are all that is loaded: the whole package
// costs node-forge and a poller that ignores Retry-After besides.

declare module 'acme-client/src/http.js' {
  type Response = Readonly<{
    status: number;
    headers: Readonly<Record<string, string | undefined>>;
    data: unknown;
  }>;
  class HttpClient {
    constructor(directoryUrl: string, accountKeyPem: string);
    /** Every request of the class goes through here; `data` is a JWS. */
    request: (url: string, method: string, options?: { data?: unknown }) => Promise<Response>;
    getDirectory: () => Promise<unknown>;
    getNonce: () => Promise<string>;
    signedRequest: (
      url: string,
      payload: unknown,
      options?: Readonly<{ kid?: string; nonce?: string }>,
      attempt?: number,
    ) => Promise<Response>;
    getJwk(): Readonly<Record<string, string>>;
  }
  export = HttpClient;
}

declare module 'acme-client/src/api.js' {
  import type HttpClient from 'acme-client/src/http.js';

  type Response = Awaited<ReturnType<HttpClient['request']>>;
  class AcmeApi {
    constructor(http: HttpClient, accountUrl?: string);
    accountUrl: string | null;
    createAccount(payload: unknown): Promise<Response>;
    createOrder(payload: unknown): Promise<Response>;
    getOrder(url: string): Promise<Response>;
    getAuthorization(url: string): Promise<Response>;
    completeChallenge(url: string, payload: unknown): Promise<Response>;
    finalizeOrder(url: string, payload: unknown): Promise<Response>;
    apiRequest(url: string, payload: null, validStatus: readonly number[]): Promise<Response>;
  }
  export = AcmeApi;
}
