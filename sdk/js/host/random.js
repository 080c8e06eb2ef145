import { getRandomBytes } from "wasi:random/random@0.2.12";

/** Bytes that nobody can guess. */
export const randomBytes = (count) => getRandomBytes(count);
