// Lets guests in: user names that begin with "guest-" share the password GUEST_PASSWORD and see GUEST_DIRECTORY.
// All other names are refused, so register it with users = ["guest-*"]. PORT says where it listens, on loopback.
// Hook point: external-auth, as a web service. Build: none.
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const { GUEST_PASSWORD = "", GUEST_DIRECTORY = "", PORT = "0" } = process.env;
const digest = (text) => createHash("sha256").update(text).digest();

function account({ username, password = "" }) {
  const known = GUEST_PASSWORD !== "" && timingSafeEqual(digest(password), digest(GUEST_PASSWORD));
  if (!username.startsWith("guest-") || !known) {
    return { username: "" };
  }
  return { username, status: 1, home_dir: GUEST_DIRECTORY, permissions: { "/": ["list", "download"] } };
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  const body = JSON.stringify(account(JSON.parse(Buffer.concat(chunks).toString())));
  response.writeHead(200, { "content-type": "application/json" }).end(body);
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
