import { getRandomBytes } from "wasi:random/random@0.2.12";

/** Unpredictable bytes of the server. */
export const randomBytes = (count) => getRandomBytes(count);
