const $ = (ready) => document.addEventListener("DOMContentLoaded", ready);

$(function() {
	const release = document.getElementById("release");
	const log = document.getElementById("log");
	let answers = 0;
	let lost = 0;

	function note(text) {
		const line = document.createElement("li");
		line.textContent = new Date().toLocaleTimeString() + " " + text;
		log.append(line);
	}

	async function ask() {
		try {
			const answer = await fetch("/", { method: "HEAD", cache: "no-store" });
			const now = answer.headers.get("X-Release");
			answers++;
			if (now !== null && now !== release.textContent) {
				note(`${release.textContent} → ${now} after ${answers} answers, ${lost} lost`);
				release.textContent = now;
			}
		} catch {
			lost++;
		}
		setTimeout(ask, 500);
	}

	ask();
});
