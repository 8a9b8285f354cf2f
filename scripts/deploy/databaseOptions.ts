/** The ways to bring an older server and a newer database together; CONTRIBUTING tells them. */
export const strategies = ["keep", "copy", "downgrade", "restore"] as const;
export type DatabaseStrategy = (typeof strategies)[number];

/** The values of `--database`: `auto` tries those that lose nothing. */
export const databaseOptions = [...strategies, "auto"] as const;
export type DatabaseOption = (typeof databaseOptions)[number];
