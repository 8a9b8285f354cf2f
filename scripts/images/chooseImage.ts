type Source = "present" | "pull" | "build";

export interface ImageChoice {
  readonly role: string;
  readonly reference: string;
  readonly source: Source;
  readonly cause: string;
}

export interface ImageQuestion {
  readonly role: string;
  /** IMAGES: auto pulls where it can and builds where not, the others do one of the two. */
  readonly mode: "auto" | "pull" | "local";
  readonly official: string;
  readonly local: string;
  readonly officialPresent: boolean;
  readonly localPresent: boolean;
  /** Whether an image registry answered in this run; undefined before anybody asked. */
  readonly registry: boolean | undefined;
  /** No official image is made for it, such as the server's development target. */
  readonly onlyLocal: boolean;
  /** A person's own image is set: nothing that is built here stands for it. */
  readonly isOwn: boolean;
}

/** Where a role's image comes from. Present images win, so that nothing is fetched twice. */
export function chooseImage(asked: ImageQuestion): ImageChoice {
  const { role, official, local } = asked;
  if (asked.mode !== "local" && !asked.onlyLocal) {
    if (asked.officialPresent) return choice(role, official, "present", "already here");
    if (asked.mode === "pull") return choice(role, official, "pull", "IMAGES=pull");
  }
  if (asked.isOwn && asked.mode === "auto" && !asked.onlyLocal) {
    return choice(role, official, "pull", "not here yet");
  }
  if (asked.localPresent) return choice(role, local, "present", "built here before");
  if (asked.mode === "local") return choice(role, local, "build", "IMAGES=local");
  if (asked.onlyLocal) return choice(role, local, "build", "no official image of this target");
  if (asked.registry === false) return choice(role, local, "build", "no image registry answers");
  return choice(role, official, "pull", "not here yet");
}

function choice(role: string, reference: string, source: Source, cause: string): ImageChoice {
  return { role, reference, source, cause };
}
