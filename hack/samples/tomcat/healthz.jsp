<%@ page contentType="text/plain; charset=utf-8" trimDirectiveWhitespaces="true" %>ok
