/** The ways to bring an older server and a newer database together; CONTRIBUTING tells them. */
export const ways = ["keep", "carry", "downgrade", "restore"] as const;
export type Way = (typeof ways)[number];

/** The ways that can be asked for: `auto` tries those that lose nothing it was not told to. */
export const askableWays = [...ways, "auto"] as const;
export type AskedWay = (typeof askableWays)[number];
