"""Two hundred ids somebody hostile could send: markup, attributes, addresses, scripts, formulas.

Each is a valid id: at most 256 characters, none of them a control character. `called` names what runs
when one gets through.
"""

from __future__ import annotations

import itertools

RUN = "alert(1)"

ELEMENTS = [
    f"<script>{RUN}</script>",
    f"<ScRiPt >{RUN}</sCrIpT>",
    "<script src=http://evil.test/x.js></script>",
    f"<img src=x onerror={RUN}>",
    f'<img src="x" onerror="{RUN}">',
    "<img src=http://evil.test/pixel>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg/onload={RUN}//",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    '<svg><use href="http://evil.test/x.svg#a"/></svg>',
    f"<math><mi//xlink:href='javascript:{RUN}'>x",
    f"<iframe src=javascript:{RUN}></iframe>",
    "<iframe src=http://evil.test/></iframe>",
    f"<iframe srcdoc='<script>{RUN}</script>'></iframe>",
    f"<body onload={RUN}>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<a href='javascript:{RUN}'>x</a>",
    "<a href=http://evil.test/>x</a>",
    "<link rel=stylesheet href=http://evil.test/x.css>",
    "<style>@import 'http://evil.test/x.css';</style>",
    "<style>body{background:url(http://evil.test/x)}</style>",
    "<meta http-equiv=refresh content='0;url=http://evil.test/'>",
    "<base href=http://evil.test/>",
    f"<form action=javascript:{RUN}><button>x</button></form>",
    "<object data=http://evil.test/x></object>",
    "<embed src=http://evil.test/x>",
    f"<marquee onstart={RUN}>x</marquee>",
    f"<template><script>{RUN}</script></template>",
    "<!--",
    "-->",
    "<![CDATA[x]]>",
    "<?xml version='1.0'?>",
    "<h1>not a heading</h1>",
    "<table><tr><td>x",
    "<plaintext>",
    "<xmp>",
]
OUT_OF = [
    "",
    '">',
    "'>",
    "</td></tr></table>",
    "</script>",
    "</bdi></a>",
    "]]>",
    "-->",
    "</textarea>",
    "</title></style></noscript>",
]
ATTRIBUTES = [
    f'" onmouseover="{RUN}" x="',
    f"' onfocus='{RUN}' autofocus x='",
    '" style="background:url(http://evil.test/x)" x="',
    f"x onload={RUN}",
    f"`onerror={RUN}`",
]
ADDRESSES = [
    f"javascript:{RUN}",
    f"JaVaScRiPt:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "//evil.test/x",
    "http://evil.test/x",
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "..\\..\\x",
    "con.js",
    "a/b/c.html",
    "?x=1#y",
    "%3Cscript%3E",
    "%00",
]
SCRIPTS = [
    f"'-{RUN}-'",
    f'"-{RUN}-"',
    f"`${{{RUN}}}`",
    f"${{{RUN}}}",
    f"\\u003cscript\\u003e{RUN}",
    "\\",
    '\\"',
    "\u2028alert(1)",
    "\u2029alert(1)",
    f"}});{RUN};//",
    f"*/{RUN}/*",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    "{{7*7}}",
    "{% raw %}{{ x }}{% endraw %}",
    "{{ config }}",
    "<%= 7*7 %>",
    "#{7*7}",
    "__proto__",
    "constructor",
    "toString",
    "datum.at",
    "${__import__('os')}",
    "%s%n%x",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "&amp;&quot;&#39;",
]
FORMULAS = [
    '=HYPERLINK("http://evil.test/","x")',
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    " =1+1",
    "%0A=1+1",
    "\uff1d1+1",
    "|calc",
    'a,b;"c"',
]
TEXTS = [
    "\u202egpj.exe",
    "\u200b\ufeff",
    "日本語 🎯 é",
    "a" * 256,
    "null",
    "NaN",
    "true",
    "0",
    "-0",
    "1e400",
    " x ",
    "[object Object]",
]

HOSTILE = list(
    dict.fromkeys(
        [
            *ELEMENTS,
            *ATTRIBUTES,
            *ADDRESSES,
            *SCRIPTS,
            *FORMULAS,
            *TEXTS,
            *(before + element for before, element in itertools.product(OUT_OF[1:], ELEMENTS[:12])),
        ]
    )
)[:200]
"""All of them distinct; where there are more than 200, elements after what breaks out of one go first."""
