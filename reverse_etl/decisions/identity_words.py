"""Word lists of identity: legal forms, abbreviations, free mail, countries, VAT prefixes.

Facts about languages and countries, no thresholds. Extend them here; nothing else changes.
"""

__all__ = [
    "ABBREVIATIONS",
    "COUNTRIES",
    "DIRECTIONS",
    "FREE_MAIL_DOMAINS",
    "GROUP_WORDS",
    "LEGAL_FORMS",
    "LOOSE_LEGAL_FORMS",
    "NAME_FILLERS",
    "STREET_FILLERS",
    "VAT_PREFIXES",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Written, dropped and mixed up at will in CRMs: they neither bind nor tell apart.
LOOSE_LEGAL_FORMS = _words(
    "inc incorporated corp corporation co company ltd limited llc lc pty pvt private"
)
#: The others name different legal persons when they differ (``GmbH`` and ``GmbH & Co. KG``).
LEGAL_FORMS = LOOSE_LEGAL_FORMS | _words(
    "llp lp plc gmbh mbh ag kg kgaa ohg gbr ug se ev eg sa sas sarl sasu eurl snc spa srl sapa bv"
    " nv cv vof bvba sprl ab as asa aps oy oyj kft zrt doo sro spzoo ooo oao zao sl slu ltda eireli"
    " cia kk"
)

#: A word that says where in a group a company stands: never a mere addition to a name.
GROUP_WORDS = _words(
    "holding holdings group gruppe groupe gruppo international global parent subsidiary branch"
    " division filiale niederlassung succursale sucursal beteiligung beteiligungs beteiligungen"
    " verwaltung verwaltungs management europe america americas usa us uk emea apac asia north"
    " south east west regional services logistics finance leasing properties trading distribution"
    " retail wholesale sales manufacturing"
)

NAME_FILLERS = _words("the of and at a an for de la le du des et und y e i")

ABBREVIATIONS = {
    "acad": "academy", "assn": "association", "assoc": "association", "bros": "brothers",
    "centre": "center", "centro": "center", "cntr": "center", "ctr": "center", "comm": "community",
    "dept": "department", "dev": "development", "dist": "distribution", "elem": "elementary",
    "gen": "general", "grp": "group", "ind": "industries", "indus": "industries",
    "inst": "institute", "intl": "international", "int": "international", "intnl": "international",
    "lab": "laboratories", "labs": "laboratories", "mfg": "manufacturing", "mgmt": "management",
    "mgt": "management", "natl": "national", "nat": "national", "prod": "products",
    "sch": "school", "serv": "services", "service": "services", "svc": "services",
    "svcs": "services", "sys": "systems", "tech": "technologies", "technology": "technologies",
    "univ": "university", "whse": "warehouse",
}  # fmt: skip

DIRECTIONS = _words(
    "n s e w ne nw se sw north south east west northeast northwest southeast southwest"
)

#: Words of a street that tell nothing: kinds of street, articles, titles, parts of a building.
STREET_FILLERS = _words(
    "st street ave av avenue blvd boulevard rd road dr drive ln lane ct court pl place pkwy parkway"
    " hwy highway way sq square ter terrace cir circle rue via viale piazza calle carrera avenida"
    " avda rua strasse str allee platz weg gasse straat laan the of de del della di da do dos la le"
    " les los las am an der den dem im auf zum zur suite ste unit apt floor fl room rm building"
    " bldg po box postfach"
)

#: Mail hosts where anybody has an address; a first label covers all its country versions.
FREE_MAIL_DOMAINS = _words(
    "gmail googlemail yahoo ymail rocketmail hotmail outlook live msn aol icloud me.com mac.com gmx"
    " web.de t-online t-online.de freenet freenet.de arcor.de mail.com mail.ru email.com yandex"
    " proton.me protonmail pm.me zoho fastmail tutanota comcast comcast.net verizon verizon.net"
    " att.net sbcglobal sbcglobal.net bellsouth.net cox.net charter.net earthlink.net btinternet"
    " btinternet.com sky.com talktalk.net orange.fr orange wanadoo free.fr laposte laposte.net"
    " sfr.fr libero libero.it virgilio.it tiscali tiscali.it alice.it tin.it bluewin.ch hispeed.ch"
    " telenet.be skynet.be ziggo.nl kpnmail.nl planet.nl uol.com.br bol.com.br terra.com.br qq 163"
    " 126.com sina naver naver.com daum.net rediffmail example example.com"
)

VAT_PREFIXES = _words(
    "AT BE BG CY CZ DE DK EE EL ES FI FR GB HR HU IE IT LT LU LV MT NL NO PL PT RO SE SI SK XI GR"
    " IS"
)

COUNTRIES = {
    "usa": "US", "us": "US", "united states": "US", "united states of america": "US",
    "u s a": "US", "u s": "US", "america": "US", "canada": "CA", "mexico": "MX", "brazil": "BR",
    "germany": "DE", "deutschland": "DE", "austria": "AT", "osterreich": "AT",
    "switzerland": "CH", "schweiz": "CH", "suisse": "CH", "france": "FR", "italy": "IT",
    "italia": "IT", "spain": "ES", "espana": "ES", "portugal": "PT", "netherlands": "NL",
    "the netherlands": "NL", "holland": "NL", "belgium": "BE", "luxembourg": "LU",
    "united kingdom": "GB", "uk": "GB", "great britain": "GB", "england": "GB", "ireland": "IE",
    "denmark": "DK", "sweden": "SE", "norway": "NO", "finland": "FI", "poland": "PL",
    "czech republic": "CZ", "czechia": "CZ", "hungary": "HU", "romania": "RO", "greece": "GR",
    "india": "IN", "china": "CN", "japan": "JP", "australia": "AU", "new zealand": "NZ",
    "south africa": "ZA", "deu": "DE", "gbr": "GB", "fra": "FR", "ita": "IT", "esp": "ES",
    "nld": "NL", "bel": "BE", "aut": "AT", "che": "CH", "can": "CA", "mex": "MX",
}  # fmt: skip
