/** Makes resources of the embedded Google APIs over their own wire, as Terraform would; what is there already stays. */
export type Provision = (
  method: 'POST' | 'PUT' | 'PATCH',
  url: string,
  body: unknown,
) => Promise<void>;

export function createProvision(accessToken: () => string): Provision {
  return async (method, url, body) => {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${accessToken()}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok && response.status !== 409)
      throw new Error(`${method} ${url} answers ${response.status}: ${await response.text()}`);
  };
}
