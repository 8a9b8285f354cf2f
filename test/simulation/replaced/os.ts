// Stands for node:os: who works here is the same in all runs.
import { userInfo as real } from "node:os";

export * from "node:os";

const user = real();

export function userInfo(): typeof user {
  return user;
}
