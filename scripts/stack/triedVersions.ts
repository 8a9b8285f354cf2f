/** The versions of the collector everything was tried at; those between are taken on their word. */
export const triedVersions = { oldest: "0.96.0", newest: "0.161.0" } as const;
