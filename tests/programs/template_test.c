/* Templates: what plugins write, and what is refused. */
#include "template.h"

#include <string.h>

#include "test.h"
#include "util.h"

static const struct template_variable given[] = {
	{ "APP", "web" },
	{ "EMPTY", "" },
	{ "PORTS", "http:80:5000 https:443:5000" },
	{ "IPS", "10.0.0.1 10.0.0.2" },
};

/* The text, or "LINE: REASON". */
static const struct {
	const char *text;
	const char *want;
} table[] = {
	{ "", "" },
	{ "a { b } c\n", "a { b } c\n" },
	{ "{{ .APP }}", "web" },
	{ "{{.APP}}-{{ $APP }}-{{ $.APP }}", "web-web-web" },
	{ "{{ .NONE }}", "<no value>" },
	{ "{{ $NONE }}", "1: there is no variable $NONE" },
	{ "{{ \"a\\\"\\n\\\\\" }}{{ `b}}\\` }}", "a\"\n\\b}}\\" },
	{ "{{ 12 }} {{ true }}", "12 true" },
	{ "a {{- /* c }} */ -}} b", "ab" },
	{ "a {{/* c */}} b", "a  b" },
	{ "a\n  {{- .APP -}}\n b", "awebb" },
	{ "{{ $x := .APP }}{{ $x }}", "web" },
	{ "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2" },
	{ "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1" },
	{ "{{ if .EMPTY }}a{{ else if .APP }}b{{ else }}c{{ end }}", "b" },
	{ "{{ if .EMPTY }}a{{ else if .NONE }}b{{ else }}c{{ end }}", "c" },
	{ "{{ if .APP }}a{{ else if .APP }}b{{ else }}c{{ end }}", "a" },
	{ "{{ if .EMPTY }}{{ $NONE }}{{ if 1 }}x{{ end }}{{ end }}-", "-" },
	{ "{{ range $ip := .IPS | split \" \" }}allow {{ $ip }};{{ end }}",
		"allow 10.0.0.1;allow 10.0.0.2;" },
	{ "{{ range .IPS | split \" \" }}[{{ . }}]{{ end }}", "[10.0.0.1][10.0.0.2]" },
	{ "{{ range $i, $ip := split \" \" .IPS }}{{ $i }}={{ $ip }} {{ $.APP }} {{ end }}",
		"0=10.0.0.1 web 1=10.0.0.2 web " },
	{ "{{ $l := split \" \" .IPS }}{{ range $l }}{{ range $l }}{{ . }},{{ end }}{{ end }}",
		"10.0.0.1,10.0.0.2,10.0.0.1,10.0.0.2," },
	{ "{{ range .NONE }}a{{ else }}b{{ end }}", "b" },
	{ "{{ range split \",\" \"x\" }}a{{ else }}b{{ end }}", "a" },
	{ "{{ range $p := .PORTS | split \" \" }}{{ $l := $p | split \":\" }}{{ $s := index $l 0 }}"
	  "{{ if eq $s \"http\" }}{{ index $l 1 }}{{ else if eq $s \"https\"}}s{{ index $l 1 }}{{ "
	  "end }}{{ end }}",
		"80s443" },
	{ "{{ join \",\" (split \" \" .IPS) }}", "10.0.0.1,10.0.0.2" },
	{ "{{ split \" \" .IPS }} {{ len (split \" \" .IPS) }} {{ len .APP }}",
		"[10.0.0.1 10.0.0.2] 2 3" },
	{ "{{ and .APP .EMPTY }}|{{ or .EMPTY .APP }}|{{ not .APP }}", "|web|false" },
	{ "{{ eq .APP \"a\" \"web\" }} {{ ne .APP \"web\" }} {{ eq 1 1 }} {{ eq 1 \"1\" }}",
		"true false true false" },
	{ "{{ contains \"we\" .APP }} {{ .APP | replace \"e\" \"xx\" }}", "true wxxb" },
	{ "{{ upper .APP }} {{ \"A b \" | lower | trim }}.", "WEB a b." },
	{ "{{ .EMPTY | default \"d\" }}{{ .APP | default \"d\" }}", "dweb" },
	{ "$host {{ $ }}", "$host <no value>" },
	/* Refused. */
	{ "a\n{{ .APP", "2: an action is not closed: }} is missing" },
	{ "{{ }}", "1: a value is missing" },
	{ "{{ if 1 }}", "1: an if has no end" },
	{ "{{ range split \" \" .IPS }}", "1: a range has no end" },
	{ "{{ end }}", "1: an else or end has no if or range" },
	{ "{{ else }}", "1: an else or end has no if or range" },
	{ "{{ if 1 }}{{ else }}{{ else }}{{ end }}", "1: an if has no end" },
	{ "{{ if 1 }}{{ end x }}", "1: not understood: x " },
	{ "{{ exec \"id\" }}", "1: not understood: exec" },
	{ "{{ .APP | exec }}", "1: there is no function exec after a |" },
	{ "{{ template \"x\" }}", "1: not understood: template" },
	{ "{{ .APP .APP }}", "1: not understood: .APP " },
	{ "{{ .APP.NAME }}", "1: NAME: only the caller's variables have names" },
	{ "{{ \"a }}", "1: an action is not closed: }} is missing" },
	{ "{{ \"\\q\" }}", "1: an escape in a text is not understood" },
	{ "{{ (1 }}", "1: a parenthesis is not closed" },
	{ "{{ 1x }}", "1: not a number: 1x" },
	{ "{{ split \"\" .APP }}", "1: split: split: the separator is empty" },
	{ "{{ index (split \" \" .IPS) 2 }}", "1: index: index: the list has no such element" },
	{ "{{ len }}", "1: len: wrong number of arguments for the function" },
	{ "{{ upper 1 }}", "1: upper: an argument of the function has another type" },
	{ "{{ range .APP }}{{ end }}", "1: range wants a list" },
	{ "{{ range $i, $x .APP }}{{ end }}", "1: range $i, $x := LIST is the form" },
	{ "{{ $x = 1 }}", "1: there is no such variable to set" },
	{ "{{/* a }}", "1: a comment is not closed" },
	{ "{{/* a */ b }}", "1: a comment does not end with */}}" },
};

static void
forms(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct template_error error;
		struct buf out;

		buf_init(&out, 1000);
		if (template_fill(&out, table[i].text, strlen(table[i].text), given,
			    UTIL_COUNT(given), &error) == -1) {
			buf_clear(&out);
			buf_addf(&out, "%lu: %s", error.line, error.reason);
		}
		ROW_TEXT(buf_text(&out), table[i].want, table[i].text);
		buf_release(&out);
	}
}

/* Limits: of the output, of nesting, of loops within loops. */
static void
limits(void)
{
	struct template_variable list = { "L", NULL };
	struct template_error error;
	struct buf out;
	char text[3000] = "", words[2000];

	buf_init(&out, 3);
	INT(template_fill(&out, "abcd", 4, NULL, 0, &error), -1);
	TEXT(error.reason, "it makes too much text");
	INT(template_fill(&out, "abc", 3, NULL, 0, &error), 0);
	for (size_t i = 0; i < 80; i++)
		memcpy(text + 10 * i, "{{ if 1 }}", 11);
	INT(template_fill(&out, text, strlen(text), NULL, 0, &error), -1);
	TEXT(error.reason, "too many blocks in each other");
	memset(words, ' ', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	list.value = words;
	snprintf(text, sizeof(text),
		"{{ $l := split \" \" .L }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}");
	INT(template_fill(&out, text, strlen(text), &list, 1, &error), -1);
	TEXT(error.reason, "its loops take too long");
	snprintf(text, sizeof(text),
		"{{ $long := replace \" \" \"0123456789abcdef\" .L }}"
		"{{ range split \" \" .L }}{{ if contains \"x\" $long }}{{ end }}{{ end }}");
	INT(template_fill(&out, text, strlen(text), &list, 1, &error), -1);
	TEXT(error.reason, "it takes too long");
	buf_release(&out);
}

int
main(void)
{
	forms();
	limits();
	return test_end("template_test");
}
