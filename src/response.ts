/** A response whose headers can be changed: the same one, or a copy where they are immutable (a redirect, a fetched response). */
export function writable(response: Response): Response {
  try {
    // Fetch section 5.1: deleting from immutable headers throws, also where the field is absent.
    response.headers.delete("x-session-probe");
    return response;
  } catch {
    return new Response(response.body, response);
  }
}
