/**
 * The image to pull: as it is set where that says which one, else with the part's version
 * as its tag. So one setting (LETTA_VERSION) moves image and expectation together.
 * @param version undefined for parts whose image alone says it
 */
export function officialReference(image: string, version: string | undefined): string {
  const name = image.slice(image.lastIndexOf("/") + 1);
  if (image.includes("@") || name.includes(":") || version === undefined) return image;
  return `${image}:${version}`;
}

/** The repository of a reference, as Docker Hub's short names have it: "letta/letta". */
export function repositoryOf(reference: string): string {
  return reference
    .replace(/@.*$/, "")
    .replace(/:[^:/]*$/, "")
    .replace(/^(?:index\.)?docker\.io\//, "")
    .replace(/^library\//, "");
}
